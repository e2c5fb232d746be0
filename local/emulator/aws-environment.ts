import { delimiter, dirname } from "node:path";

import { type AwsClient, type AwsService, awsClient } from "../../functions/aws/client.ts";
import { assertLoopback } from "./loopback.ts";

export const emulatorRegion = "us-east-1";

/** The emulator's root: it does not check this key's signature, so it is for deploying and for faults, never for operators. */
const emulatorRoot = { accessKeyId: "test", secretAccessKey: "test" } as const;

/** What a child may inherit. An allow-list: the user's profile, credentials and proxies stay outside. */
const inheritedNames = ["HOME", "LANG", "LC_ALL", "LOGNAME", "SHELL", "TERM", "TZ", "USER"] as const;

const noProxy = "localhost,.localhost,127.0.0.1,::1";

/** For children that must not reach AWS at all; this Node comes first on the PATH, for them and for what they start. */
export function isolatedEnvironment(temporaryDirectory: string): NodeJS.ProcessEnv {
  const inherited = inheritedNames.flatMap((name) => {
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
    NO_PROXY: noProxy,
    no_proxy: noProxy,
  };
}

/** For children that talk to the emulator as its root. */
export function emulatorEnvironment(endpoint: string, temporaryDirectory: string): NodeJS.ProcessEnv {
  return {
    ...isolatedEnvironment(temporaryDirectory),
    AWS_ENDPOINT_URL: assertLoopback(endpoint).origin,
    AWS_REGION: emulatorRegion,
    AWS_DEFAULT_REGION: emulatorRegion,
    AWS_ACCESS_KEY_ID: emulatorRoot.accessKeyId,
    AWS_SECRET_ACCESS_KEY: emulatorRoot.secretAccessKey,
  };
}

/** The same for a client of the functions' own in this process. */
export function emulatorService(service: AwsService, endpoint: string): AwsClient {
  return awsClient(service, { ...emulatorClient(endpoint), attempts: 3, timeout: 10_000 });
}

/** The same for an SDK client in this process; FIPS and dual-stack settings of the user would contradict an endpoint. */
export function emulatorClient(endpoint: string) {
  return {
    endpoint: assertLoopback(endpoint).origin,
    region: emulatorRegion,
    credentials: emulatorRoot,
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
  } as const;
}
