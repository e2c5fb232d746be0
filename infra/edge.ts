import { Duration, Stack } from "aws-cdk-lib";
import {
  AllowedMethods,
  CachePolicy,
  Distribution,
  HttpVersion,
  OriginProtocolPolicy,
  OriginRequestPolicy,
  OriginSslPolicy,
  S3OriginAccessControl,
  ViewerProtocolPolicy,
} from "aws-cdk-lib/aws-cloudfront";
import type { BehaviorOptions } from "aws-cdk-lib/aws-cloudfront";
import { HttpOrigin, S3BucketOrigin } from "aws-cdk-lib/aws-cloudfront-origins";
import { Construct } from "constructs";

import type { Api } from "./api.ts";
import type { FirmwareStore } from "./firmware-store.ts";

export interface EdgeProps {
  readonly api: Api;
  readonly firmwareStore: FirmwareStore;
}

/**
 * The plain-HTTP way in for devices that never open TLS again: messages, key set and firmware, which protect
 * themselves. Bootstrap and operators are not reachable here: whatever has no behavior of its own meets a bucket that
 * shows this distribution nothing outside `firmware/`.
 */
export class Edge extends Construct {
  readonly distribution: Distribution;

  constructor(scope: Construct, id: string, props: EdgeProps) {
    super(scope, id);
    const { region, urlSuffix } = Stack.of(this);
    const api = new HttpOrigin(`${props.api.httpApi.apiId}.execute-api.${region}.${urlSuffix}`, {
      protocolPolicy: OriginProtocolPolicy.HTTPS_ONLY,
      originSslProtocols: [OriginSslPolicy.TLS_V1_2],
    });
    const accessControl = new S3OriginAccessControl(this, "FirmwareAccess");
    // Not `withOriginAccessControl`, which would let the distribution read every object.
    const firmware: BehaviorOptions = {
      origin: S3BucketOrigin.withBucketDefaults(props.firmwareStore.bucket, {
        originAccessControlId: accessControl.originAccessControlId,
      }),
      viewerProtocolPolicy: ViewerProtocolPolicy.ALLOW_ALL,
      cachePolicy: CachePolicy.CACHING_OPTIMIZED_FOR_UNCOMPRESSED_OBJECTS,
      compress: false, // ciphertext, and `Range` must count its bytes
    };
    const messages: BehaviorOptions = {
      origin: api,
      viewerProtocolPolicy: ViewerProtocolPolicy.ALLOW_ALL,
      allowedMethods: AllowedMethods.ALLOW_ALL, // CloudFront has no smaller set with POST
      cachePolicy: CachePolicy.CACHING_DISABLED,
      originRequestPolicy: OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
      compress: false,
    };
    // As long as the function's own `Cache-Control` says, and never by query: a relay cannot get past the cache.
    const keySetCache = new CachePolicy(this, "KeySetCache", {
      comment: "Sealpost key set: as the origin says, at most an hour",
      minTtl: Duration.seconds(0),
      defaultTtl: Duration.seconds(0),
      maxTtl: Duration.hours(1),
    });

    this.distribution = new Distribution(this, "Distribution", {
      comment: "Sealpost message plane: plain HTTP allowed, contents sealed",
      httpVersion: HttpVersion.HTTP2_AND_3,
      defaultBehavior: firmware,
      additionalBehaviors: {
        "/messages": messages,
        "/batches": messages,
        "/keys": {
          origin: api,
          viewerProtocolPolicy: ViewerProtocolPolicy.ALLOW_ALL,
          cachePolicy: keySetCache,
          compress: false,
        },
        "/firmware/*": firmware,
      },
    });
    props.firmwareStore.grantRead(this.distribution);
  }
}
