import { CliCredentialsStackSynthesizer, Stack } from "aws-cdk-lib";
import type { Construct } from "constructs";

import type { FunctionCode } from "./function-code.ts";
import { Sealpost } from "./sealpost.ts";
import type { StageConfig } from "./stage.ts";

export interface SealpostStackProps {
  readonly stage: StageConfig;
  readonly functionCode: FunctionCode;
}

/** One stage of this repository's own app, in any account and Region. */
export class SealpostStack extends Stack {
  constructor(scope: Construct, id: string, { stage, functionCode }: SealpostStackProps) {
    const { name, emulator, ...members } = stage;
    const retain = name === "production";
    super(scope, id, {
      description: `Sealpost, stage ${name}`,
      terminationProtection: retain,
      // An emulator has no bootstrap stack: assets go to a bucket that is there, with the credentials of the caller.
      ...(emulator && {
        synthesizer: new CliCredentialsStackSynthesizer({ fileAssetsBucketName: emulator.assetsBucket }),
      }),
    });
    new Sealpost(this, "Sealpost", { ...members, functionCode, retain, emulated: emulator !== undefined });
  }
}
