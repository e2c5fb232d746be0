import { Effect, ManagedPolicy, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Key } from "aws-cdk-lib/aws-kms";
import { Construct } from "constructs";

import type { FirmwareStore } from "./firmware-store.ts";
import type { Keys } from "./keys.ts";
import type { OperatorApi } from "./operator-api.ts";

export interface OperatorPoliciesProps {
  readonly operatorApi: OperatorApi;
  readonly keys: Keys;
  readonly firmwareStore: FirmwareStore;
}

/** One policy for each duty of an operator, to attach to the account's own roles; none implies another. */
export class OperatorPolicies extends Construct {
  readonly enrolling: ManagedPolicy;
  readonly revoking: ManagedPolicy;
  readonly releasing: ManagedPolicy;
  readonly root: ManagedPolicy;
  readonly reading: ManagedPolicy;

  constructor(scope: Construct, id: string, props: OperatorPoliciesProps) {
    super(scope, id);
    const { operatorApi, keys, firmwareStore } = props;

    this.enrolling = this.#policy("Enrolling", "issues and withdraws credentials of devices");
    operatorApi.grantInvoke(
      this.enrolling,
      "issueCredential",
      "revokeCredential",
      "listCredentials",
      "listDevices",
      "getDevice",
    );

    this.revoking = this.#policy("Revoking", "revokes devices and credentials");
    operatorApi.grantInvoke(
      this.revoking,
      "revokeDevice",
      "revokeCredential",
      "listCredentials",
      "listDevices",
      "getDevice",
    );

    this.releasing = this.#policy("Releasing", "signs and publishes firmware");
    operatorApi.grantInvoke(this.releasing, "listReleases", "publishRelease");
    this.#grantSign(this.releasing, keys.release);
    keys.grantWrap(this.releasing);
    firmwareStore.grantPublish(this.releasing);

    this.root = this.#policy("Root", "signs trust documents");
    operatorApi.grantInvoke(this.root, "getTrust", "replaceTrust");
    this.#grantSign(this.root, keys.root);
    for (const key of [keys.issuingCa, keys.keySet, keys.receipt, keys.release]) {
      key.grant(this.root, "kms:GetPublicKey"); // a trust document names them
    }

    this.reading = this.#policy("Reading", "sees everything and changes nothing");
    operatorApi.grantInvoke(
      this.reading,
      "getTrust",
      "listCredentials",
      "listDevices",
      "getDevice",
      "listReleases",
      "listAudit",
    );
  }

  #policy(id: string, duty: string): ManagedPolicy {
    return new ManagedPolicy(this, id, { description: `Sealpost: ${duty}` });
  }

  /**
   * An operator's key is for people and their tools: attached to the role of a function, this policy denies it.
   * `lambda:SourceFunctionArn` is in every call that a function's code makes (AWS Lambda Developer Guide, "Using
   * source function ARN to control function access behavior").
   */
  #grantSign(policy: ManagedPolicy, key: Key): void {
    key.grant(policy, "kms:GetPublicKey", "kms:Sign");
    policy.addStatements(
      new PolicyStatement({
        sid: "NoFunctionSigns",
        effect: Effect.DENY,
        actions: ["kms:Sign"],
        resources: [key.keyArn],
        conditions: { Null: { "lambda:SourceFunctionArn": "false" } },
      }),
    );
  }
}
