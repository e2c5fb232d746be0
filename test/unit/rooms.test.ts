import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { describe, expect, test } from "vitest";

/** The rooms of functions/ in floors: each imports from floors below its own alone. */
const floors = [
  ["fault", "engine"],
  ["aws"],
  ["store", "lambda"],
  ["custody"],
  ["registry", "releases"],
  ["exchanges"],
  ["receive"],
  ["carriers"],
  ["messages", "bootstrap", "key-set", "operator", "publisher"],
];
const root = join(import.meta.dirname, "../../functions");
const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room));
const files = globSync("**/*.ts", { cwd: root });

describe("functions/", () => {
  test.each(floors.flat())("ok/%s says what it is and what it may import", (room) => {
    expect(existsSync(join(root, room, "README.md"))).toBe(true);
  });

  test("ok/has no room that is on no floor", () => {
    expect(files.filter((file) => floorOf(file.split("/")[0] ?? "") < 0)).toEqual([]);
  });

  test("ok/imports from lower floors alone", () => {
    const upward = files.flatMap((file) => {
      const [room = ""] = file.split("/");
      const imported = [...readFileSync(join(root, file), "utf8").matchAll(/from "(\.[^"]+)"/g)];
      return imported
        .map(([, path = ""]) => relative(root, join(root, dirname(file), path)))
        .filter((path) => {
          const [other = ""] = path.split("/");
          return other !== room && floorOf(other) >= floorOf(room);
        })
        .map((path) => `${file} → ${path}`);
    });
    expect(upward).toEqual([]);
  });
});
