import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";

import { emulatorClient } from "./aws-environment.ts";

/** Stands in for `cdk bootstrap`, whose bucket refuses every call that is not TLS. */
export async function createAssetsBucket(endpoint: string, name: string): Promise<void> {
  const client = new S3Client({ ...emulatorClient(endpoint), forcePathStyle: true });
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  } finally {
    client.destroy();
  }
}
