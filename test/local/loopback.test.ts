import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

import { emulatorEnvironment } from "../../local/emulator/aws-environment.ts";
import { deploy } from "../../local/emulator/deploy.ts";
import { lookup } from "../../operator/loopback.ts";
import { assertLoopback } from "../../local/emulator/loopback.ts";

describe("local mode stays on this machine", () => {
  it.each(["http://127.0.0.1:4566", "http://127.1.2.3:1", "http://[::1]:4566"])("ok/accepts %s", (url) => {
    expect(assertLoopback(url).href).toContain(url);
  });

  it.each([
    "https://kms.us-east-1.amazonaws.com",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://127.0.0.1@example.com",
    "http://10.0.0.1",
    "not a url",
  ])("fails/refuses %s", (url) => {
    expect(() => assertLoopback(url)).toThrow("never to");
    expect(() => emulatorEnvironment(url, "/nowhere")).toThrow("never to");
  });

  it("fails/does not deploy to AWS", async () => {
    const options = { projectDirectory: "/nowhere", directory: "/nowhere", serviceId: "s", logPath: "/nowhere/log" };
    await expect(deploy({ ...options, endpoint: "https://amazonaws.com" })).rejects.toMatchObject({
      code: "remote-endpoint",
    });
  });

  it("ok/hands on no profile, credential or proxy of the user", () => {
    const before = { ...process.env };
    Object.assign(process.env, {
      AWS_PROFILE: "production",
      AWS_SESSION_TOKEN: "real",
      AWS_ACCESS_KEY_ID: "real",
      HTTPS_PROXY: "http://proxy.example",
      HTTP_PROXY: "http://proxy.example",
    });
    try {
      const environment = emulatorEnvironment("http://127.0.0.1:1", "/nowhere");
      expect(JSON.stringify(environment)).not.toMatch(/production|real|proxy\.example/u);
      expect(environment).toMatchObject({
        AWS_ENDPOINT_URL: "http://127.0.0.1:1",
        AWS_CONFIG_FILE: "/dev/null",
        AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
        NO_PROXY: expect.stringContaining("127.0.0.1"),
      });
    } finally {
      process.env = before;
    }
  });
});

describe("lookup", () => {
  const find = promisify(lookup);

  it.each(["localhost", "0a1b2c3d.execute-api.localhost", "LOCALHOST", "a.localhost."])(
    "ok/%s is here",
    async (name) => {
      await expect(find(name, {})).resolves.toBe("127.0.0.1");
      await expect(find(name, { all: true })).resolves.toEqual([{ address: "127.0.0.1", family: 4 }]);
    },
  );

  it("ok/leaves other names to the system", async () => {
    await expect(find("127.0.0.1", {})).resolves.toBe("127.0.0.1");
    await expect(find("notlocalhost.invalid", {})).rejects.toMatchObject({ code: /ENOTFOUND|EAI_AGAIN/u });
  });
});
