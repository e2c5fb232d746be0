import fc from "fast-check";
import { expect, test } from "vitest";

import { shortIds } from "../../operator/short-ids.ts";
import { table } from "../../operator/table.ts";

const text = fc.string({ unit: fc.constantFrom(..."abcXYZ 019"), maxLength: 60 });
const rows = fc.array(fc.tuple(text, text, text), { maxLength: 5 });
const headings = ["ONE", "TWO", "THREE"];

test("ok/whatever is in it, it fits where there is room for columns at all, and says what it cut", () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 22, max: 200 }), (cells, columns) => {
      const lines = table(headings, cells, columns).split("\n");
      expect(lines.every((line) => line.length <= columns)).toBe(true);
    }),
  );
});

test("ok/nothing is cut without a terminal", () => {
  fc.assert(
    fc.property(rows, (cells) => {
      const lines = table(headings, cells).split("\n").slice(1);
      cells.forEach((row, at) => row.forEach((cell) => expect(lines[at]).toContain(cell.trimEnd())));
    }),
  );
});

test("ok/the widest column gives", () => {
  expect(table(["A", "B"], [["short", "a very long cell"]], 16)).toBe("A      B\nshort  a very l…");
});

test("ok/ids are as long as tells them apart", () => {
  const ids = ["abcd1111-1000-4000-8000-000000000000", "abcd1111-2000-4000-8000-000000000000"];
  expect(shortIds(ids.slice(1))(ids[1] ?? "")).toBe("abcd1111");
  expect(ids.map(shortIds(ids))).toEqual(["abcd1111-1", "abcd1111-2"]);
  expect(shortIds(ids)("-")).toBe("-");
});
