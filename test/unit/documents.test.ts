import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { describe, expect, test } from "vitest";

import { firmwareStates } from "@sealpost/protocol/exchanges/firmware.ts";
import { tokenTypes } from "@sealpost/protocol/token/jws.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { problems } from "@sealpost/protocol/messages/problems.ts";
import { refusalCodes, refusals, storedRefusalCodes } from "@sealpost/protocol/messages/refusals.ts";

import { exchanges } from "@sealpost/protocol/exchanges/exchanges.ts";
import { eventDetails } from "../../functions/registry/events.ts";

/** A stranger has the documents alone, so what they say of the tables in the code is held to the code. */

const root = join(import.meta.dirname, "..", "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const protocol = read("docs/protocol.md");
const storage = read("docs/storage.md");
const threats = read("docs/threat-model.md");
const rowOf = (text: string, name: string) => text.split("\n").filter((line) => line.startsWith(`| \`${name}\``));

type Numbers = { readonly [name: string]: number | readonly number[] | Numbers };
const byName = (value: Numbers | readonly number[]): Numbers => Object.fromEntries(Object.entries(value));
const named = (numbers: Numbers, prefix = ""): [string, number][] =>
  Object.entries(numbers).flatMap(([name, value]) =>
    typeof value === "number" ? [[`${prefix}${name}`, value]] : named(byName(value), `${prefix}${name}.`),
  );

describe("docs/protocol.md", () => {
  test.each(named(limits))("ok/names the limit %s", (_, value) => {
    expect(protocol).toContain(value.toLocaleString("en-US"));
  });

  test.each(refusalCodes)("ok/says of the refusal %s whether it is final", (code) => {
    const final = rowOf(protocol, code).map((row) => row.split("|")[2]?.trim());
    expect(final).toContain(refusals[code].final ? "yes" : "no");
  });

  test.each(Object.entries(problems))("ok/lists the problem %s with its status", (code, { status }) => {
    const rows = protocol.split("\n").filter((line) => line.includes(`\`${code}\``));
    expect(rows.join("\n")).toContain(String(status));
  });

  test.each([...Object.values(tokenTypes), ...exchanges.map(({ operation }) => operation), ...firmwareStates])(
    "ok/names %s",
    (name) => {
      expect(protocol).toContain(`\`${name}\``);
    },
  );
});

test.each(Object.keys(eventDetails))("ok/docs/storage.md says what the journal holds of %s", (action) => {
  expect(storage).toContain(`\`${action}\``);
});

test.each(storedRefusalCodes)("ok/docs/storage.md says under which number the refusal %s is stored", (code) => {
  const number = refusals[code].stored;
  expect(storage.replaceAll(/ +/g, " ")).toContain(`| ${number} | \`${code}\` |`);
  expect(storedRefusalCodes.filter((other) => refusals[other].stored === number)).toEqual([code]);
});

describe("docs/threat-model.md", () => {
  const rows = threats.split("\n").filter((line) => line.startsWith("|"));

  test("ok/names files that exist", () => {
    const files = rows.flatMap((row) => [
      ...row.matchAll(/`((?:device|protocol|functions|infra|operator|local)\/[\w./-]+\.ts)`/g),
    ]);
    const paths = files.map(([, file = ""]) => file).filter((file) => !file.endsWith(".test.ts"));
    expect(paths.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});

const outside = new Set(["node_modules", ".local", "cdk.out", "dist"]);
const documents = globSync("**/*.md", { cwd: root, exclude: (name) => outside.has(basename(name)) });

/** Files of tests that a text names, and behind each the titles in quotes up to the next. */
function namedTests(text: string): { file: string; titles: string[] }[] {
  const [, ...parts] = text.split(/`(?:test\/)?([\w/-]+\.test\.ts)`/);
  return parts.flatMap((file, index) =>
    index % 2 === 0
      ? [{ file, titles: [...(parts[index + 1] ?? "").matchAll(/"([^"]+)"/g)].map(([, title = ""]) => title) }]
      : [],
  );
}

/** A title is a whole string of the file: what is left of it in a comment, or in a longer title, is another one. */
function hasTitle(source: string, title: string): boolean {
  return ['"', "'", "`"].some((quote) => source.includes(`${quote}${title}${quote}`));
}

test.each(documents)("ok/the tests that %s names exist, by file and title", (document) => {
  const missing = read(document)
    .split("\n")
    .flatMap(namedTests)
    .flatMap(({ file, titles }) => {
      const path = `test/${file}`;
      if (!existsSync(join(root, path))) return [path];
      const source = read(path);
      return titles.filter((title) => !hasTitle(source, title)).map((title) => `${path}: ${title}`);
    });
  expect(missing).toEqual([]);
});

const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, "")
    .trim()
    .replace(/\s/g, "-");

test.each(documents)("ok/links in %s lead somewhere", (file) => {
  const links = [...read(file).matchAll(/\]\(([^)]+)\)/g)].map(([, link = ""]) => link);
  const broken = links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? file : join(dirname(file), path);
    if (!existsSync(join(root, target))) return true;
    const headings = [...(anchor === undefined ? "" : read(target)).matchAll(/^#+ (.*)$/gm)];
    return anchor !== undefined && !headings.some(([, heading = ""]) => anchorOf(heading) === anchor);
  });
  expect(broken).toEqual([]);
});
