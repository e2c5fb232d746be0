import { CfnOutput, CliCredentialsStackSynthesizer, Stack, Tags } from "aws-cdk-lib";
import type { Construct } from "constructs";

import type { FunctionCode } from "./function-code.ts";
import { Sealpost } from "./sealpost.ts";
import type { StageConfig } from "./stage.ts";

export interface SealpostStackProps {
  readonly stage: StageConfig;
  readonly code: FunctionCode;
}

/** One deployment in any account and Region, and the outputs that operators and tools address it by. */
export class SealpostStack extends Stack {
  constructor(scope: Construct, id: string, { stage, code }: SealpostStackProps) {
    const retain = stage.name === "production";
    super(scope, id, {
      description: `Sealpost, stage ${stage.name}`,
      terminationProtection: retain,
      // An emulator has no bootstrap stack: assets go to a bucket that is there, with the credentials of the caller.
      ...(stage.emulator && {
        synthesizer: new CliCredentialsStackSynthesizer({
          fileAssetsBucketName: stage.emulator.assetsBucket,
        }),
      }),
    });
    const sealpost = new Sealpost(this, "Sealpost", {
      ...stage,
      code,
      retain,
      emulated: stage.emulator !== undefined,
    });
    Tags.of(this).add("sealpost:stage", stage.name);

    for (const [name, value] of Object.entries(this.#outputs(sealpost, stage.serviceId))) {
      new CfnOutput(this, name, { value });
    }
  }

  #outputs(sealpost: Sealpost, serviceId: string): Record<string, string> {
    const { keys, registry, trust, keySet, operatorPolicies: policies } = sealpost;
    const domain = sealpost.edge.distribution.distributionDomainName;
    return {
      ServiceId: serviceId,
      Region: this.region,
      ApiId: sealpost.api.httpApi.apiId,
      ApiUrl: sealpost.api.httpApi.apiEndpoint,
      DistributionDomain: domain,
      MessagePlaneUrl: `http://${domain}`,
      FirmwareBucket: sealpost.firmwareStore.bucket.bucketName,
      RootKeyId: keys.root.keyArn,
      IssuingCaKeyId: keys.issuingCa.keyArn,
      KeySetKeyId: keys.keySet.keyArn,
      ReceiptKeyId: keys.receipt.keyArn,
      ReleaseKeyId: keys.release.keyArn,
      SecretsKeyId: keys.secrets.keyArn,
      EnrollingPolicyArn: policies.enrolling.managedPolicyArn,
      RevokingPolicyArn: policies.revoking.managedPolicyArn,
      ReleasingPolicyArn: policies.releasing.managedPolicyArn,
      RootPolicyArn: policies.root.managedPolicyArn,
      ReadingPolicyArn: policies.reading.managedPolicyArn,
      BootstrapFunctionName: sealpost.bootstrapApi.function.handler.functionName,
      MessagesFunctionName: sealpost.messageApi.function.handler.functionName,
      KeySetSignFunctionName: keySet.signFunction.handler.functionName,
      KeySetReadFunctionName: keySet.readFunction.handler.functionName,
      OperatorFunctionName: sealpost.operatorApi.function.handler.functionName,
      CredentialsTable: registry.credentials.tableName,
      DevicesTable: registry.devices.tableName,
      ReleasesTable: registry.releases.tableName,
      TrustTable: trust.table.tableName,
      JournalTable: registry.journal.tableName,
    };
  }
}
