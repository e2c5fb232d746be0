import { describe, expect, test } from "vitest";

import { clientSettings } from "../../functions/lambda/clients.ts";
import { at, ofType, pathOf, render, stageOf, statements, synthesise } from "./template.ts";

const { template } = synthesise(stageOf("production"));

describe("tables", () => {
  const keys = {
    "Registry/Credentials": { key: ["credentialId"], index: { list: ["shard", "credentialId"] } },
    "Registry/Devices": { key: ["deviceId", "item"], index: { list: ["shard", "deviceId"] } },
    "Registry/Releases": { key: ["target", "counter"], index: { list: ["shard", "at"] } },
    "Registry/Journal": { key: ["target", "at"], index: { byDay: ["day", "at"] } },
    "Trust/Trust": { key: ["item"], index: {} },
  };
  const schema = (names: readonly string[]) =>
    names.map((AttributeName, position) => ({
      AttributeName,
      KeyType: position === 0 ? "HASH" : "RANGE",
    }));

  test("ok/there are these tables and no others", () => {
    expect(
      ofType(template, "AWS::DynamoDB::GlobalTable")
        .map(([id]) => pathOf(template, id))
        .sort(),
    ).toEqual([...Object.keys(keys), "Epochs/Epochs"].sort());
  });

  test.each(Object.entries(keys))("ok/%s has its keys and indexes", (path, { key, index }) => {
    const { Properties } = at(template, path);
    expect(Properties).toMatchObject({ KeySchema: schema(key), BillingMode: "PAY_PER_REQUEST" });
    expect(Properties?.["GlobalSecondaryIndexes"] ?? []).toMatchObject(
      Object.entries(index).map(([IndexName, names]) => ({ IndexName, KeySchema: schema(names) })),
    );
  });

  test.each(Object.keys(keys))("ok/%s can be restored and not deleted in production", (path) => {
    const table = at(template, path);
    expect(table).toMatchObject({ DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
    expect(table.Properties?.["Replicas"]).toMatchObject([
      {
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
    ]);
  });

  test("fails/what is erased from the table of epochs has no copy: no recovery, stream, index or replica, and it goes with the stack", () => {
    const table = at(template, "Epochs/Epochs");
    expect(table).toMatchObject({ DeletionPolicy: "Delete", UpdateReplacePolicy: "Delete" });
    const { Replicas, ...properties } = table.Properties ?? {};
    expect(Object.keys(properties).sort()).toEqual(["AttributeDefinitions", "BillingMode", "KeySchema"]);
    expect(properties).toMatchObject({ KeySchema: schema(["item"]), BillingMode: "PAY_PER_REQUEST" });
    const [replica, ...more] = [Replicas].flat();
    expect(more).toEqual([]);
    const { Region: _, Tags: __, ...copies } = Object(replica);
    expect(copies).toEqual({
      DeletionProtectionEnabled: false,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: false },
    });
  });

  test("ok/credentials alone expire", () => {
    const expiring = Object.keys(keys).filter(
      (path) => at(template, path).Properties?.["TimeToLiveSpecification"] !== undefined,
    );
    expect(expiring).toEqual(["Registry/Credentials"]);
    expect(at(template, "Registry/Credentials").Properties).toMatchObject({
      TimeToLiveSpecification: { AttributeName: "expires", Enabled: true },
    });
  });
});

describe("functions", () => {
  const functions = {
    "BootstrapApi/Function": { MemorySize: 1024, Timeout: 25 },
    "MessageApi/Function": { MemorySize: 1024, Timeout: 25 },
    "KeySet/SignFunction": { MemorySize: 512, Timeout: 30 },
    "KeySet/ReadFunction": { MemorySize: 512, Timeout: 5 },
    "OperatorApi/Function": { MemorySize: 512, Timeout: 15 },
    "Events/Function": { MemorySize: 512, Timeout: 60 },
  };

  test.each(Object.entries(functions))("ok/%s: Node 24 on arm64, a log of its own", (path, size) => {
    const { Properties } = at(template, `${path}/Handler`);
    expect(Properties).toMatchObject({
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      Handler: "index.handler",
      ...size,
    });
    expect(Properties).not.toHaveProperty("TracingConfig");
    expect(render(template, Object.values(Object(Properties?.["LoggingConfig"]))[0])).toBe(`${path}/Logs`);
    expect(at(template, `${path}/Logs`)).toMatchObject({
      Properties: { RetentionInDays: 365 },
      DeletionPolicy: "Retain",
    });
  });

  test.each(["BootstrapApi/Function", "MessageApi/Function"])(
    "ok/%s outlives four calls of AWS with every attempt timed out, and API Gateway outlives it",
    (path) => {
      const timeout = Number(at(template, `${path}/Handler`).Properties?.["Timeout"]) * 1_000;
      const { maxAttempts, requestHandler } = clientSettings;
      expect(timeout).toBeGreaterThan(4 * maxAttempts * requestHandler.requestTimeout);
      expect(timeout).toBeLessThan(30_000);
    },
  );
});

describe("API", () => {
  const routes = ofType(template, "AWS::ApiGatewayV2::Route").map(([, { Properties }]) => ({
    key: String(Properties?.["RouteKey"]),
    authorization: Properties?.["AuthorizationType"],
  }));

  test("ok/these routes are open, and no others", () => {
    expect(
      routes
        .filter(({ authorization }) => authorization !== "AWS_IAM")
        .map(({ key }) => key)
        .sort(),
    ).toEqual(["GET /keys", "POST /batches", "POST /bootstrap/certificate", "POST /bootstrap/token", "POST /messages"]);
  });

  test("ok/these routes need the caller's IAM signature", () => {
    expect(
      routes
        .filter(({ authorization }) => authorization === "AWS_IAM")
        .map(({ key }) => key)
        .sort(),
    ).toEqual([
      "GET /operator/audit",
      "GET /operator/commands/{deviceId}",
      "GET /operator/commands/{deviceId}/{commandId}",
      "GET /operator/credentials",
      "GET /operator/devices",
      "GET /operator/devices/{deviceId}",
      "GET /operator/releases",
      "GET /operator/trust",
      "POST /operator/commands/{deviceId}",
      "POST /operator/commands/{deviceId}/{commandId}/cancel",
      "POST /operator/credentials",
      "POST /operator/credentials/{credentialId}/revoke",
      "POST /operator/devices/{deviceId}/revoke",
      "POST /operator/releases",
      "POST /operator/releases/withdraw",
      "POST /operator/trust",
    ]);
  });

  test("ok/bootstrap and messages are throttled as the stage says", () => {
    const throttled = { ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100 };
    const { Properties } = at(template, "Api/Stage");
    expect(Properties).toHaveProperty("StageName", "$default");
    expect(Properties?.["RouteSettings"]).toEqual({
      "POST /bootstrap/token": throttled,
      "POST /bootstrap/certificate": throttled,
      "POST /messages": { ThrottlingRateLimit: 500, ThrottlingBurstLimit: 1000 },
      "POST /batches": { ThrottlingRateLimit: 5, ThrottlingBurstLimit: 10 },
    });
  });

  test("fails/the access log names no device: neither path nor query nor body", () => {
    const format = JSON.stringify(at(template, "Api/Stage").Properties?.["AccessLogSettings"]);
    expect(format).toContain("$context.routeKey");
    expect(format).not.toMatch(/context\.path|rawPath|query|body|header/i);
  });
});

test("ok/an alarm tells when the key set was not signed, or a key that was due not made", () => {
  expect(at(template, "KeySet/NotSigned").Properties).toMatchObject({
    Namespace: "AWS/Lambda",
    MetricName: "Errors",
    Period: 3_600,
    Threshold: 1,
    EvaluationPeriods: 1,
    TreatMissingData: "notBreaching",
  });
});

describe("events", () => {
  const filters = {
    Devices: { dynamodb: { Keys: { item: { S: ["window"] } }, NewImage: { readings: { B: [{ exists: true }] } } } },
    Journal: { dynamodb: { NewImage: { action: { S: [{ exists: true }] } } } },
  };

  test.each(Object.entries(filters))(
    "ok/%s: from the first change, alone what is an event, and nothing is lost that cannot be published",
    (table, pattern) => {
      const { Properties } = at(template, `Events/${table}`);
      const { FilterCriteria, EventSourceArn, DestinationConfig, ...rest } = Object(Properties);
      expect(render(template, EventSourceArn)).toBe(`Registry/${table}.StreamArn`);
      expect(FilterCriteria.Filters.map(({ Pattern }: { Pattern: string }) => JSON.parse(Pattern))).toEqual([pattern]);
      expect(render(template, DestinationConfig.OnFailure.Destination)).toBe("Events/Failures");
      expect(rest).toMatchObject({
        StartingPosition: "TRIM_HORIZON",
        BatchSize: 100,
        BisectBatchOnFunctionError: true,
        MaximumRetryAttempts: 100,
        MaximumRecordAgeInSeconds: 43_200,
      });
    },
  );

  test("ok/these tables have a stream, of new images, and no others", () => {
    const streamed = ofType(template, "AWS::DynamoDB::GlobalTable").flatMap(([id, { Properties }]) =>
      Properties?.["StreamSpecification"] === undefined
        ? []
        : [[pathOf(template, id), Properties["StreamSpecification"]]],
    );
    const newImage = { StreamViewType: "NEW_IMAGE" };
    expect(Object.fromEntries(streamed)).toEqual({ "Registry/Devices": newImage, "Registry/Journal": newImage });
  });

  test("ok/what is parked is encrypted, kept for 14 days and outlives the stack", () => {
    expect(at(template, "Events/Parked")).toMatchObject({
      DeletionPolicy: "Retain",
      Properties: { SqsManagedSseEnabled: true, MessageRetentionPeriod: 1_209_600, VisibilityTimeout: 120 },
    });
    expect(at(template, "Events/Failures")).toMatchObject({ DeletionPolicy: "Retain" });
  });

  test.each([
    ["Late", { MetricName: "IteratorAge", Statistic: "Maximum", Threshold: 3_600_000 }],
    ["SomethingParked", { MetricName: "ApproximateNumberOfMessagesVisible", Statistic: "Maximum", Threshold: 1 }],
    ["Failed", { MetricName: "Errors", Statistic: "Sum", Threshold: 1 }],
  ])("ok/an alarm: %s", (id, alarm) => {
    expect(at(template, `Events/${id}`).Properties).toMatchObject({
      ...alarm,
      ComparisonOperator: "GreaterThanOrEqualToThreshold",
      TreatMissingData: "notBreaching",
    });
  });

  test("fails/production has no queue that a command empties", () => {
    expect(JSON.stringify(template)).not.toContain("EventsTail");
  });
});

test("ok/the key set is signed at each deployment that changes it, and every hour", () => {
  expect(ofType(template, "Custom::Trigger")).toHaveLength(1);
  expect(at(template, "KeySet/SignHourly").Properties).toMatchObject({
    ScheduleExpression: "rate(1 hour)",
    State: "ENABLED",
  });
});

describe("edge", () => {
  const distribution = at(template, "Edge/Distribution").Properties?.["DistributionConfig"];

  test("ok/exposes four paths, each over plain HTTP too", () => {
    expect(distribution).toMatchObject({
      CacheBehaviors: [
        { PathPattern: "/messages", ViewerProtocolPolicy: "allow-all" },
        { PathPattern: "/batches", ViewerProtocolPolicy: "allow-all" },
        { PathPattern: "/keys", ViewerProtocolPolicy: "allow-all" },
        { PathPattern: "/firmware/*", ViewerProtocolPolicy: "allow-all" },
      ],
    });
    expect(Object(distribution).CacheBehaviors).toHaveLength(4);
  });

  test("ok/everything else meets the bucket, which shows nothing but firmware", () => {
    const { DefaultCacheBehavior, Origins } = Object(distribution);
    const origin = Object(
      [Origins].flat().find(({ Id }: { Id: unknown }) => Id === DefaultCacheBehavior.TargetOriginId),
    );
    expect(render(template, origin.DomainName)).toBe("FirmwareStore/Bucket.RegionalDomainName");
    expect(DefaultCacheBehavior).not.toHaveProperty("AllowedMethods"); // GET and HEAD
    const { PolicyDocument } = Object(at(template, "FirmwareStore/Bucket/Policy").Properties);
    const [allow, ...more] = PolicyDocument.Statement.filter(({ Effect }: { Effect: unknown }) => Effect === "Allow");
    expect(more).toEqual([]);
    expect(allow).toMatchObject({
      Action: "s3:GetObject",
      Principal: { Service: "cloudfront.amazonaws.com" },
    });
    expect(render(template, allow.Resource)).toBe("FirmwareStore/Bucket/firmware/*");
    expect(render(template, allow.Condition.StringEquals["AWS:SourceArn"])).toMatch(
      /distribution\/Edge\/Distribution$/,
    );
  });

  test("fails/the bucket refuses plain HTTP to all but CloudFront", () => {
    const { Properties } = at(template, "FirmwareStore/Bucket/Policy");
    const found = statements(template, Properties?.["PolicyDocument"]);
    expect(found.filter(({ effect }) => effect === "Deny")).toEqual([
      {
        sid: "PlainHttpForCloudFrontAlone",
        effect: "Deny",
        actions: ["s3:*"],
        resources: ["FirmwareStore/Bucket", "FirmwareStore/Bucket/*"],
        principal: { AWS: "*" },
        condition: {
          Bool: { "aws:SecureTransport": "false" },
          StringNotEquals: { "aws:PrincipalServiceName": "cloudfront.amazonaws.com" },
        },
      },
    ]);
  });

  test("ok/the bucket is private, versioned and kept", () => {
    expect(at(template, "FirmwareStore/Bucket")).toMatchObject({
      DeletionPolicy: "Retain",
      Properties: {
        VersioningConfiguration: { Status: "Enabled" },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
      },
    });
  });
});

test("ok/the outputs that tools rely on", () => {
  expect(Object.keys(template.Outputs).sort()).toEqual([
    "ApiId",
    "ApiUrl",
    "BootstrapFunctionName",
    "CommandingPolicyArn",
    "CredentialsTable",
    "DevicesTable",
    "DistributionDomain",
    "EnrollingPolicyArn",
    "EpochsTable",
    "EventBusName",
    "FailuresBucket",
    "FirmwareBucket",
    "IssuingCaKeyId",
    "JournalTable",
    "KeySetKeyId",
    "KeySetReadFunctionName",
    "KeySetSignFunctionName",
    "MessagePlaneUrl",
    "MessagesFunctionName",
    "OperatorFunctionName",
    "ParkedQueueUrl",
    "PublisherFunctionName",
    "PublishingPolicyArn",
    "ReadingPolicyArn",
    "ReceiptKeyId",
    "Region",
    "ReleaseKeyId",
    "ReleasesTable",
    "ReleasingPolicyArn",
    "RevokingPolicyArn",
    "RootKeyId",
    "RootPolicyArn",
    "SecretsKeyId",
    "ServiceId",
    "TrustTable",
  ]);
});
