import { beforeEach, expect, test, vi } from "vitest";

import { requestBytes } from "@sealpost/protocol/operator/acts.ts";
import { Fault } from "../../functions/fault/fault.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import { actor, event, startOperator } from "./operator.ts";

let lines: string[];
beforeEach(() => {
  lines = [];
  vi.spyOn(process.stdout, "write").mockImplementation((line) => {
    lines.push(String(line));
    return true;
  });
});

const create = event("POST /operator/credentials");
const body = JSON.stringify({ serialNumber: "SN-1", secretHash: "A".repeat(43) });

test("ok/every invocation writes one line: who asked for what, and how it ended", async () => {
  await startOperator().get("/operator/devices/00000000-0000-4000-8000-000000000000");
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    function: "operator",
    requestId: "r-1",
    route: "GET /operator/devices/{deviceId}",
    deviceId: "00000000-0000-4000-8000-000000000000",
    actor,
    status: 404,
    problem: "not-found",
  });
});

test("fails/no line holds a body", async () => {
  await startOperator().send({ ...create, body });
  expect(lines.join()).not.toContain("A".repeat(43));
});

test("fails/without an IAM identity nothing is done", async () => {
  const answer = await startOperator().send({ ...create, requestContext: {}, body });
  expect(answer).toMatchObject({ status: 403, body: { code: "forbidden" } });
});

test("fails/a route that is not there", async () => {
  expect(await startOperator().get("/operator/secrets")).toMatchObject({ status: 404 });
});

test.each<[string, object]>([
  ["no body", {}],
  ["no JSON", { body: "serialNumber=x" }],
  ["a member twice", { body: `{"serialNumber":"a","serialNumber":"b","secretHash":"${"A".repeat(43)}"}` }],
  ["the replacement character", { body: body.replace("SN-1", "SN-\ufffd") }],
  ["bytes that are no UTF-8", { body: Buffer.from([0x22, 0xff, 0x22]).toString("base64"), isBase64Encoded: true }],
])("fails/%s", async (_, sent) => {
  const answer = await startOperator().send({ ...create, ...sent });
  expect(answer).toMatchObject({ status: 400, body: { code: "invalid-request", field: "body" } });
});

test("fails/a body beyond the limit is not parsed", async () => {
  const answer = await startOperator().send({ ...create, body: " ".repeat(requestBytes + 1) });
  expect(answer).toMatchObject({ status: 413, body: { code: "too-large" } });
});

test("ok/a Base64 body is the same body", async () => {
  const sent = { ...create, body: Buffer.from(body).toString("base64"), isBase64Encoded: true };
  expect(await startOperator().send(sent)).toMatchObject({ status: 409, body: { code: "not-trusted-yet" } });
});

test.each([
  ["throttled", 429],
  ["unavailable", 503],
  ["not-set-up", 503],
] as const)("ok/a fault %s is an answer of status %i, and its cause is in the log alone", async (code, status) => {
  const cause = Object.assign(new Error("holds a value"), { name: "SomeAwsException" });
  const read = () => Promise.reject(new Fault(code, "DynamoDB read: SomeAwsException", { cause }));
  const answer = await startOperator({ ...memoryStore(), read }).get("/operator/trust");
  expect(answer.status).toBe(status);
  expect(JSON.stringify(answer.body)).not.toContain("SomeAws");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    fault: code,
    reason: "DynamoDB read: SomeAwsException",
    cause: "SomeAwsException",
  });
  expect(lines.join()).not.toContain("holds a value");
});

test("fails/an exception that nobody expected shows neither the caller nor the log its message", async () => {
  const read = () => Promise.reject(new TypeError("holds a value"));
  const answer = await startOperator({ ...memoryStore(), read }).get("/operator/trust");
  expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
  expect(JSON.stringify(answer.body) + lines.join()).not.toContain("holds a value");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ outcome: "fault", reason: "TypeError" });
});

test.each([{ limit: "0" }, { limit: "101" }, { limit: "1e1" }, { limit: " 5" }, { extra: "1" }])(
  "fails/the query %o",
  async (query) => {
    expect(await startOperator().get("/operator/credentials", query)).toMatchObject({
      status: 400,
      body: { code: "invalid-request" },
    });
  },
);
