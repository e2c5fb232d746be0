import { expect, test } from "vitest";

import { stageOf, synthesise } from "./template.ts";

const local = synthesise(stageOf("local"));
const production = synthesise(stageOf("production"));

/** Every leaf of a template as `path=value`; arrays by value, because one statement less moves all others. */
function leaves(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => leaves(item, `${path}[]`));
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, item]) => leaves(item, `${path}/${key}`));
  }
  const leaf = `${path}=${String(value)}`;
  // A version's id ends in a hash of the function, where it takes its code from included.
  return [leaf.replaceAll(/(?<=CurrentVersion[0-9A-F]{8})[0-9a-f]{32}/g, "")];
}

function only(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines.filter((line) => {
    const position = left.indexOf(line);
    if (position >= 0) left.splice(position, 1);
    return position < 0;
  });
}

/** Each kind of difference that an emulator or the protection of data asks for. */
const kinds = {
  "what happens at removal":
    /\/(DeletionPolicy|UpdateReplacePolicy)=(Delete|Retain)$|\/DeletionProtectionEnabled=(true|false)$/,
  "keys deny their deletion":
    /^\/Resources\/Sealpost(Keys|Epochs)\w+\/Properties\/KeyPolicy\/Statement\[\](\/Sid=NobodyDeletes|\/Action=kms:ScheduleKeyDeletion|\/Effect=Deny|\/Principal\/AWS=\*|\/Resource=\*)$/,
  "TLS to the bucket":
    /^\/Resources\/SealpostFirmwareStoreBucketPolicy\w+\/Properties\/PolicyDocument\/Statement\[\]\/(Sid=PlainHttpForCloudFrontAlone|Action=s3:\*|Effect=Deny|Principal\/AWS=\*|Condition\/Bool\/aws:SecureTransport=false|Condition\/StringNotEquals\/aws:PrincipalServiceName=cloudfront\.amazonaws\.com|Resource\[\].*)$/,
  "TLS to queues and to what Lambda gives up":
    /^\/Resources\/SealpostEvents(Failures|Parked)Policy\w+\/|^\/Resources\/SealpostEventsTail\w+\/Metadata/,
  "a queue for a command on this machine":
    /^\/(Resources\/SealpostEventsTail\w+|Outputs\/EventsTailQueueUrl)\/|^\/Resources\/SealpostOperatorPoliciesReading\w+\/Properties\/PolicyDocument\/Statement\[\]\/(Action\[\]=sqs:(DeleteMessage|ReceiveMessage)|Effect=Allow|Resource\/Fn::GetAtt\[\]=(SealpostEventsTail\w+|Arn))$/,
  "bootstrap stack of the account": /^\/(Parameters\/BootstrapVersion|Rules\/CheckBootstrapVersion)\//,
  "where code is uploaded": /\/Code\/S3(Bucket|Key)(=|\/)/,
  "name of the stage":
    /\/(Tags\[\]\/Value|Tags\/sealpost:stage)=(local|production)$|^\/Description=Sealpost, stage (local|production)$/,
};

test("ok/stages local and production differ in these things and no others", () => {
  const differences = [
    ...only(leaves(local.template), leaves(production.template)),
    ...only(leaves(production.template), leaves(local.template)),
  ];
  const patterns = Object.values(kinds);
  expect(differences.filter((line) => !patterns.some((pattern) => pattern.test(line)))).toEqual([]);
  const absent = Object.entries(kinds).filter(([, pattern]) => !differences.some((line) => pattern.test(line)));
  expect(absent.map(([kind]) => kind)).toEqual([]);
});

test("ok/stage local has no condition that an emulator cannot meet", () => {
  expect(JSON.stringify(local.template)).not.toMatch(/SecureTransport|PrincipalServiceName/);
});

test.each([
  ["local", local],
  ["production", production],
])("ok/stage %s breaks no rule that is not acknowledged", (_name, { violations }) => {
  expect(violations).toHaveProperty("AwsSolutions");
  expect(Object.values(violations).flat()).toEqual([]);
});
