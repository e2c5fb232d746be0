import { expect, test } from "vitest";

import { ofType, stageOf, synthesise } from "./template.ts";

/**
 * A deployed stack knows its tables, keys and bucket by these names alone: under another name CloudFormation makes a
 * new one, empty, and leaves the fleet's behind. A line may be added here, never changed or taken away.
 */
const kept = {
  "AWS::DynamoDB::GlobalTable": [
    "SealpostEpochsD45997DB",
    "SealpostRegistryCredentials8BAEC15A",
    "SealpostRegistryDevices2F2C14BE",
    "SealpostRegistryJournal178D0976",
    "SealpostRegistryReleases9702FFA3",
    "SealpostTrustBA277F74",
  ],
  "AWS::KMS::Key": [
    "SealpostEpochsEpochKey57DDFD77",
    "SealpostKeysFirstTokenKey2D4C7E44",
    "SealpostKeysIssuingCaKey26795D77",
    "SealpostKeysKeySetKey76D86C24",
    "SealpostKeysMessageDecryptionKey156A5407E",
    "SealpostKeysMessageSigningKey5C0C1CB4",
    "SealpostKeysReceiptKeyF9B53545",
    "SealpostKeysReleaseKeyC0613718",
    "SealpostKeysRootKey4D28D82F",
    "SealpostKeysSecretsKey957701D7",
  ],
  "AWS::S3::Bucket": ["SealpostEventsFailures9FB6CCC7", "SealpostFirmwareStoreBucket9F3201E6"],
  "AWS::CloudFront::Distribution": ["SealpostEdgeDistributionD707A728"],
  "AWS::ApiGatewayV2::Api": ["SealpostApiHttpApi4B1B68FC"],
};

const { template } = synthesise(stageOf("production"));

test.each(Object.entries(kept))("ok/%s: under the names that are deployed", (type, ids) => {
  expect(
    ofType(template, type)
      .map(([id]) => id)
      .sort(),
  ).toEqual(ids);
});
