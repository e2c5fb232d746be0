import { AttributeType } from "aws-cdk-lib/aws-dynamodb";
import type { TableV2 } from "aws-cdk-lib/aws-dynamodb";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";

import { createTable, grantTable } from "./table.ts";

export interface TrustProps {
  /** Whether the table outlives the stack. */
  readonly retain: boolean;
}

/**
 * The two documents that devices believe the service by: `trust`, signed by the root on an operator's machine, and
 * `keySet`, signed on a schedule. Both are signed, so that who can write here can withhold them but not forge them.
 */
export class Trust extends Construct {
  readonly table: TableV2;

  constructor(scope: Construct, id: string, { retain }: TrustProps) {
    super(scope, id);
    this.table = createTable(this, "Trust", retain, {
      partitionKey: { name: "item", type: AttributeType.STRING },
    });
  }

  /** Both documents, in one read. */
  grantRead(grantee: IGrantable): void {
    grantTable(this.table, grantee, "dynamodb:BatchGetItem");
  }

  /** One document, read and put back. */
  grantReplace(grantee: IGrantable): void {
    grantTable(this.table, grantee, "dynamodb:GetItem", "dynamodb:PutItem");
  }
}
