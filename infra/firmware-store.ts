import { Duration, RemovalPolicy } from "aws-cdk-lib";
import type { Distribution } from "aws-cdk-lib/aws-cloudfront";
import { Grant, PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";

export interface FirmwareStoreProps {
  readonly noncurrentDays: number;
  /** Whether the bucket outlives the stack. */
  readonly retain: boolean;
  /** Whether the bucket refuses plain HTTP; an emulator has nothing else. */
  readonly enforceTls: boolean;
}

const objects = "firmware/*";

/** Firmware images, each encrypted before it comes here; whoever can read them learns their size. */
export class FirmwareStore extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: FirmwareStoreProps) {
    super(scope, id);
    this.bucket = new Bucket(this, "Bucket", {
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: props.enforceTls,
      versioned: true,
      lifecycleRules: [
        {
          abortIncompleteMultipartUploadAfter: Duration.days(1),
          noncurrentVersionExpiration: Duration.days(props.noncurrentDays),
        },
      ],
      removalPolicy: props.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }

  /** To put images, and no more: an object is not listed, read or deleted by who publishes. */
  grantPublish(grantee: IGrantable): void {
    Grant.addToPrincipal({
      grantee,
      actions: ["s3:PutObject"],
      resourceArns: [this.bucket.arnForObjects(objects)],
    });
  }

  /** To one distribution, of images alone, so that its default behavior has nothing to show. */
  grantRead(distribution: Distribution): void {
    this.bucket.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal("cloudfront.amazonaws.com")],
        actions: ["s3:GetObject"],
        resources: [this.bucket.arnForObjects(objects)],
        conditions: { StringEquals: { "AWS:SourceArn": distribution.distributionArn } },
      }),
    );
  }
}
