import { Duration, RemovalPolicy } from "aws-cdk-lib";
import type { Distribution } from "aws-cdk-lib/aws-cloudfront";
import { AnyPrincipal, Effect, Grant, PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";

export interface FirmwareStoreProps {
  readonly noncurrentDays: number;
  /** Whether the bucket outlives the stack. */
  readonly retain: boolean;
  /** Whether the bucket refuses plain HTTP to all but CloudFront; an emulator has nothing else. */
  readonly enforceTls: boolean;
}

const objects = "firmware/*";
const cloudFront = "cloudfront.amazonaws.com";

/** Firmware images, each encrypted before it comes here; whoever can read them learns their size. */
export class FirmwareStore extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: FirmwareStoreProps) {
    super(scope, id);
    this.bucket = new Bucket(this, "Bucket", {
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      versioned: true,
      lifecycleRules: [
        {
          abortIncompleteMultipartUploadAfter: Duration.days(1),
          noncurrentVersionExpiration: Duration.days(props.noncurrentDays),
        },
      ],
      removalPolicy: props.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    if (props.enforceTls) this.#denyPlainHttp();
  }

  /**
   * Not `enforceSSL`: devices speak plain HTTP to CloudFront, and AWS documents both that it speaks to S3 what its viewer
   * speaks and that with an origin access control it speaks HTTPS; this serves firmware either way. What passes is
   * ciphertext whose digests are signed. Who is no service has no `aws:PrincipalServiceName`, and a negated operator
   * holds for an absent key, so that people and roles stay denied.
   */
  #denyPlainHttp(): void {
    this.bucket.addToResourcePolicy(
      new PolicyStatement({
        sid: "PlainHttpForCloudFrontAlone",
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: ["s3:*"],
        resources: [this.bucket.bucketArn, this.bucket.arnForObjects("*")],
        conditions: {
          Bool: { "aws:SecureTransport": "false" },
          StringNotEquals: { "aws:PrincipalServiceName": cloudFront },
        },
      }),
    );
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
        principals: [new ServicePrincipal(cloudFront)],
        actions: ["s3:GetObject"],
        resources: [this.bucket.arnForObjects(objects)],
        conditions: { StringEquals: { "AWS:SourceArn": distribution.distributionArn } },
      }),
    );
  }
}
