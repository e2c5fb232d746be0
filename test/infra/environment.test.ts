import { expect, test } from "vitest";

import { defineEnvironment } from "../../functions/lambda/environment.ts";

const read = defineEnvironment("SERVICE_ID", "DEVICES_TABLE", "TRUST_TABLE");

test("ok/the declared names and no others", () => {
  const source = { SERVICE_ID: "s", DEVICES_TABLE: "d", TRUST_TABLE: "t", PATH: "/bin" };
  expect(read(source)).toEqual({ SERVICE_ID: "s", DEVICES_TABLE: "d", TRUST_TABLE: "t" });
});

test("fails/every name that is absent or empty is in the fault", () => {
  expect(() => read({ SERVICE_ID: "s", TRUST_TABLE: "" })).toThrow(
    "the environment lacks DEVICES_TABLE, TRUST_TABLE: deploy this function with its construct, which sets every name",
  );
});
