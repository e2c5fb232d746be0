import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../device");

/** The folder of a file; files that lie beside the rooms are each a room of their own. */
function roomOf(file: string): string {
  return file.includes("/") ? dirname(file) : file;
}

function importsByRoom(): Map<string, Set<string>> {
  const rooms = new Map<string, Set<string>>();
  const files = readdirSync(root, { recursive: true, encoding: "utf8" });
  for (const file of files.filter((name) => name.endsWith(".ts") && !name.startsWith("dist"))) {
    const from = roomOf(file);
    const room = rooms.get(from) ?? rooms.set(from, new Set()).get(from)!;
    for (const [, target = ""] of readFileSync(join(root, file), "utf8").matchAll(/from "(\.[^"]+)"/g)) {
      const to = roomOf(relative(root, normalize(join(root, dirname(file), target))));
      if (to !== from) room.add(to);
    }
  }
  return rooms;
}

/** A way from a room back to itself. */
function findCircle(rooms: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] | undefined {
  const done = new Set<string>();
  const walk = (room: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(room)) return [...path.slice(path.indexOf(room)), room];
    if (done.has(room)) return undefined;
    for (const next of rooms.get(room) ?? []) {
      const circle = walk(next, [...path, room]);
      if (circle) return circle;
    }
    done.add(room);
    return undefined;
  };
  for (const room of rooms.keys()) {
    const circle = walk(room, []);
    if (circle) return circle;
  }
  return undefined;
}

test("ok/the rooms of device/ import each other in one direction", () => {
  const rooms = importsByRoom();
  expect(rooms.size).toBeGreaterThan(10);
  expect(findCircle(rooms)?.join(" → ")).toBeUndefined();
});

test("ok/delivery, keys, state and trust know no exchange, no adapter and no command", () => {
  const rooms = importsByRoom();
  for (const core of ["delivery", "keys", "state", "trust"]) {
    const reached = [...(rooms.get(core) ?? [])];
    expect(
      reached.filter((room) => /^(adapters|cli|firmware|identity|registration|deregistration)/.test(room)),
    ).toEqual([]);
  }
});
