import { expect, test } from "vitest";

import { checkExact } from "../../bench/exact/exact.ts";

test("ok/bytes, calls, units and sizes are those that are committed; `npm run bench -- --check --accept` takes others", async () => {
  expect(await checkExact(false)).toEqual([]);
});
