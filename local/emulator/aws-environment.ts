import { delimiter, dirname } from "node:path";

import { assertLoopback } from "./loopback.ts";

export const EMULATOR_REGION = "us-east-1";

/** The emulator's root: it does not check this key's signature, so it is for deploying and for faults, never for operators. */
const EMULATOR_ROOT = { accessKeyId: "test", secretAccessKey: "test" } as const;

/** What a child may inherit. An allow-list: the user's profile, credentials and proxies stay outside. */
const INHERITED = ["HOME", "LANG", "LC_ALL", "LOGNAME", "SHELL", "TERM", "TZ", "USER"] as const;

const NO_PROXY = "localhost,.localhost,127.0.0.1,::1";

/** For children that must not reach AWS at all; this Node comes first on the PATH, for them and for what they start. */
export function isolatedEnvironment(temporaryDirectory: string): NodeJS.ProcessEnv {
  const inherited = INHERITED.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(inherited),
    PATH: [dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter),
    TMPDIR: temporaryDirectory,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    NO_PROXY,
    no_proxy: NO_PROXY,
  };
}

/** For children that talk to the emulator as its root. */
export function emulatorEnvironment(endpoint: string, temporaryDirectory: string): NodeJS.ProcessEnv {
  return {
    ...isolatedEnvironment(temporaryDirectory),
    AWS_ENDPOINT_URL: assertLoopback(endpoint).origin,
    AWS_REGION: EMULATOR_REGION,
    AWS_DEFAULT_REGION: EMULATOR_REGION,
    AWS_ACCESS_KEY_ID: EMULATOR_ROOT.accessKeyId,
    AWS_SECRET_ACCESS_KEY: EMULATOR_ROOT.secretAccessKey,
  };
}

/** The same for an SDK client in this process; FIPS and dual-stack settings of the user would contradict an endpoint. */
export function emulatorClient(endpoint: string) {
  return {
    endpoint: assertLoopback(endpoint).origin,
    region: EMULATOR_REGION,
    credentials: EMULATOR_ROOT,
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
  } as const;
}
