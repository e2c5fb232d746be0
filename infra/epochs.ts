import { RemovalPolicy } from "aws-cdk-lib";
import { AttributeType } from "aws-cdk-lib/aws-dynamodb";
import type { TableV2 } from "aws-cdk-lib/aws-dynamodb";
import { AnyPrincipal, Effect, Grant, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IGrantable, IRole } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import { Construct } from "constructs";

import type { Use } from "../functions/custody/custodies.ts";
import { createTable, grantTable } from "./table.ts";

export interface EpochsProps {
  readonly serviceId: string;
  /** Whether the key outlives the stack and denies its deletion. */
  readonly retain: boolean;
}

/**
 * Message keys that change: the symmetric key that wraps their private halves, and the table where those lie. What is erased there must be gone, so
 * the table has no copy of any kind, and the key no replica in another Region, which would have a policy of its own.
 */
export class Epochs extends Construct {
  readonly key: Key;
  readonly table: TableV2;
  readonly #serviceId: string;

  constructor(scope: Construct, id: string, { serviceId, retain }: EpochsProps) {
    super(scope, id);
    this.#serviceId = serviceId;
    this.key = new Key(this, "EpochKey", {
      description: "Sealpost EpochKey: wraps the private halves of message keys, and nothing else",
      enableKeyRotation: true,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    if (retain) {
      this.key.addToResourcePolicy(
        new PolicyStatement({
          sid: "NobodyDeletes",
          effect: Effect.DENY,
          principals: [new AnyPrincipal()],
          actions: ["kms:ScheduleKeyDeletion"],
          resources: ["*"],
        }),
      );
    }
    this.table = createTable(
      this,
      "Epochs",
      false,
      { partitionKey: { name: "item", type: AttributeType.STRING } },
      "none",
    );
  }

  /** To read the list and put the next one. */
  grantRotate(grantee: IGrantable): void {
    grantTable(this.table, grantee, "dynamodb:GetItem", "dynamodb:PutItem");
  }

  /** To make wrapped key pairs for these uses, and to see no private half. */
  grantMake(grantee: IGrantable, uses: readonly Use[]): void {
    this.#grantKey(grantee, "kms:GenerateDataKeyPairWithoutPlaintext", uses, {
      "kms:DataKeyPairSpec": "ECC_NIST_P256",
    });
  }

  /** To read the list, and to unwrap the private halves of these uses. */
  grantUse(grantee: IGrantable, uses: readonly Use[]): void {
    grantTable(this.table, grantee, "dynamodb:GetItem");
    this.#grantKey(grantee, "kms:Decrypt", uses, {});
  }

  /** Denies everybody else, whatever their own policies say, to unwrap, or to hand on the right to. */
  denyUnwrappingToAllBut(role: IRole): void {
    this.key.addToResourcePolicy(
      new PolicyStatement({
        sid: "OneRoleUnwraps",
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: ["kms:Decrypt", "kms:ReEncryptFrom", "kms:CreateGrant"],
        resources: ["*"],
        conditions: { ArnNotEquals: { "aws:PrincipalArn": role.roleArn } },
      }),
    );
  }

  #grantKey(grantee: IGrantable, action: string, uses: readonly Use[], more: Record<string, string>): void {
    Grant.addToPrincipal({
      grantee,
      actions: [action],
      resourceArns: [this.key.keyArn],
      conditions: {
        StringEquals: {
          "kms:EncryptionContext:service": this.#serviceId,
          "kms:EncryptionContext:use": [...uses],
          ...more,
        },
        Null: { "kms:EncryptionContext:epoch": "false" },
      },
    });
  }
}
