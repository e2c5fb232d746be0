import { Effect, ManagedPolicy, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import type { Key } from "aws-cdk-lib/aws-kms";
import { Construct } from "constructs";

import type { Duty } from "@sealpost/protocol/operator/act.ts";

import type { Events } from "./events.ts";
import type { FirmwareStore } from "./firmware-store.ts";
import type { Keys } from "./keys.ts";
import type { OperatorApi } from "./operator-api.ts";

export interface OperatorPoliciesProps {
  readonly operatorApi: OperatorApi;
  readonly keys: Keys;
  readonly firmwareStore: FirmwareStore;
  readonly events: Events;
}

/** One policy for each duty of an operator, to attach to the account's own roles; none implies another. */
export class OperatorPolicies extends Construct {
  readonly enrolling: ManagedPolicy;
  readonly revoking: ManagedPolicy;
  readonly commanding: ManagedPolicy;
  readonly publishing: ManagedPolicy;
  readonly releasing: ManagedPolicy;
  readonly root: ManagedPolicy;
  readonly reading: ManagedPolicy;

  readonly #props: OperatorPoliciesProps;

  constructor(scope: Construct, id: string, props: OperatorPoliciesProps) {
    super(scope, id);
    this.#props = props;
    const policy = (id: string, duty: Duty, does: string) => {
      const made = new ManagedPolicy(this, id, { description: `Sealpost: ${does}` });
      this.grantDuty(made, duty);
      return made;
    };
    this.enrolling = policy("Enrolling", "enrolling", "issues and withdraws credentials of devices");
    this.revoking = policy("Revoking", "revoking", "revokes devices and credentials");
    this.commanding = policy("Commanding", "commanding", "gives commands to devices and takes them back");
    this.publishing = policy("Publishing", "publishing", "has events published again");
    this.reading = policy("Reading", "reading", "sees everything and changes nothing");
    this.releasing = policy("Releasing", "releasing", "signs and publishes firmware");
    this.root = policy("Root", "root", "signs trust documents");
  }

  /** Every act of a duty, and the operator's keys that it works with. */
  grantDuty(grantee: IGrantable, duty: Duty): void {
    const { operatorApi, keys, firmwareStore, events } = this.#props;
    operatorApi.grantDuty(grantee, duty);
    if (duty === "publishing") events.grantRepublish(grantee);
    if (duty === "reading") events.grantTail(grantee);
    if (duty === "releasing") {
      this.#grantSign(grantee, keys.release);
      keys.grantWrap(grantee);
      firmwareStore.grantPublish(grantee);
    }
    if (duty === "root") {
      this.#grantSign(grantee, keys.root);
      for (const key of [keys.issuingCa, keys.keySet, keys.receipt, keys.release]) {
        key.grant(grantee, "kms:GetPublicKey"); // a trust document names them
      }
    }
  }

  /**
   * An operator's key is for people and their tools: granted to the role of a function, it is denied all the same.
   * `lambda:SourceFunctionArn` is in every call that a function's code makes (AWS Lambda Developer Guide, "Using
   * source function ARN to control function access behavior").
   */
  #grantSign(grantee: IGrantable, key: Key): void {
    key.grant(grantee, "kms:GetPublicKey", "kms:Sign");
    grantee.grantPrincipal.addToPrincipalPolicy(
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
