import { describe, expect, test } from "vitest";

import { parseBaseUrl, refusedPorts } from "@sealpost/protocol/documents/base-url.ts";

const schemes = ["http", "https"];

describe("base URLs", () => {
  test.each([
    ["http://messages.test", "http://messages.test"],
    ["http://messages.test/", "http://messages.test"],
    ["https://messages.test/plane//", "https://messages.test/plane"],
    ["HTTP://Messages.Test:80/Plane", "http://messages.test/Plane"],
    ["http://10.0.0.1:8080/a/../b", "http://10.0.0.1:8080/b"],
    ["http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"],
    ["http://xn--mnchen-3ya.example", "http://xn--mnchen-3ya.example"],
  ])("ok/%s", (text, base) => {
    expect(parseBaseUrl(text, schemes)).toEqual({ base });
    expect(parseBaseUrl(base, schemes)).toEqual({ base });
  });

  test.each([
    ["mqtts://messages.test", "has a scheme that is not used here"],
    ["file:///etc/passwd", "is not a URL of the form scheme://host/path"],
    ["javascript:alert(1)", "is not a URL of the form scheme://host/path"],
    ["http:messages.test", "is not a URL of the form scheme://host/path"],
    ["http:\\\\messages.test", "is not a URL of the form scheme://host/path"],
    ["http://", "is not a URL of the form scheme://host/path"],
    ["http://:80", "is not a URL of the form scheme://host/path"],
    ["http://messages.test:99999", "is not a URL of the form scheme://host/path"],
    ["messages.test", "is not a URL of the form scheme://host/path"],
    ["", "is not a URL of the form scheme://host/path"],
    ["http://user:secret@messages.test", "has a user name or password"],
    ["http://@messages.test", "has a user name or password"],
    ["http://messages.test?", "has a query"],
    ["http://messages.test/?a=b", "has a query"],
    ["http://messages.test/#", "has a fragment"],
    [" http://messages.test", "has spaces or characters that are not ASCII"],
    ["http://messages.test\n", "has spaces or characters that are not ASCII"],
    ["http://messages .test", "has spaces or characters that are not ASCII"],
    ["http://münchen.example", "has spaces or characters that are not ASCII"],
    ["http://messages.test:25", "has a port that HTTP clients refuse"],
    ["http://messages.test:0", "has a port that HTTP clients refuse"],
    [`http://messages.test/${"a".repeat(2_048)}`, "is longer than 2,048 characters"],
  ])("fails/%s", (text, defect) => {
    expect(parseBaseUrl(text, schemes)).toEqual({ defect });
  });

  test("fails/every port that fetch refuses before it connects", async () => {
    for (const port of refusedPorts) {
      if (port === 0) continue;
      const error: unknown = await fetch(`http://127.0.0.1:${port}`).catch((cause: unknown) => cause);
      expect([port, error]).toMatchObject([port, { cause: { message: "bad port" } }]);
    }
  });
});
