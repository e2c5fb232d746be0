/** Stack files as `npm run up` and the CDK write them; one member is varied at a time. */

const outputs = {
  ServiceId: "sealpost",
  Region: "eu-west-1",
  ApiUrl: "https://a1.execute-api.eu-west-1.amazonaws.com",
  MessagePlaneUrl: "http://d1.cloudfront.net",
  FirmwareBucket: "bucket",
  ...Object.fromEntries(
    ["Root", "IssuingCa", "KeySet", "Receipt", "Release", "Secrets"].map((key) => [
      `${key}KeyId`,
      `arn:aws:kms:eu-west-1:123456789012:key/${key.toLowerCase()}`,
    ]),
  ),
  ...Object.fromEntries(
    ["Enrolling", "Revoking", "Commanding", "Releasing", "Publishing", "Root", "Reading"].map((duty) => [
      `${duty}PolicyArn`,
      `arn:aws:iam::123456789012:policy/${duty}`,
    ]),
  ),
  PublisherFunctionName: "publisher",
  ParkedQueueUrl: "https://sqs.eu-west-1.amazonaws.com/123456789012/parked",
  MessagesFunctionName: "not needed here",
};

export function deployedStack(changes: object = {}, name = "Sealpost-production") {
  return { [name]: { ...outputs, ...changes } };
}

export function localStack(changes: object = {}) {
  return {
    stage: "local",
    outputs,
    operatorUrl: "https://a1.execute-api.localhost:8443",
    bootstrapUrl: "https://localhost:8443/bootstrap",
    messageUrl: "http://localhost:8080",
    ca: "-----BEGIN CERTIFICATE-----\n",
    endpoint: "http://127.0.0.1:4566",
    region: "us-east-1",
    credentials: { accessKeyId: "LOCAL", secretAccessKey: "local-secret" },
    pid: process.pid,
    ...changes,
  };
}
