import { RemovalPolicy } from "aws-cdk-lib";
import { Billing, TableGrants, TableV2 } from "aws-cdk-lib/aws-dynamodb";
import type { TablePropsV2 } from "aws-cdk-lib/aws-dynamodb";
import { Grant } from "aws-cdk-lib/aws-iam";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";

type TableShape = Pick<
  TablePropsV2,
  "partitionKey" | "sortKey" | "globalSecondaryIndexes" | "timeToLiveAttribute" | "dynamoStream"
>;

/**
 * On demand; `retain` keeps it from being deleted, with the stack or alone.
 * @param recovery to any moment of the last 35 days, or none: what is overwritten or deleted there is gone
 */
export function createTable(
  scope: Construct,
  id: string,
  retain: boolean,
  shape: TableShape,
  recovery: "point-in-time" | "none" = "point-in-time",
): TableV2 {
  return new TableV2(scope, id, {
    ...shape,
    billing: Billing.onDemand(),
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: recovery === "point-in-time" },
    deletionProtection: retain,
    removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
}

/** The actions on the table itself; `table.grants` would give them on every index too. */
export function grantTable(table: TableV2, grantee: IGrantable, ...actions: string[]): void {
  TableGrants.fromTable(table, [], false).actions(grantee, ...actions);
}

export function grantIndexQuery(table: TableV2, index: string, grantee: IGrantable): void {
  Grant.addToPrincipal({
    grantee,
    actions: ["dynamodb:Query"],
    resourceArns: [`${table.tableArn}/index/${index}`],
  });
}

/** To read the changes of a table, as Lambda does on behalf of the function that it calls with them. */
export function grantStreamRead(table: TableV2, grantee: IGrantable): void {
  if (table.tableStreamArn === undefined) throw new Error(`${table.node.path} has no stream`);
  Grant.addToPrincipal({
    grantee,
    actions: ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
    resourceArns: [table.tableStreamArn],
  });
  Grant.addToPrincipal({
    grantee,
    actions: ["dynamodb:ListStreams"],
    resourceArns: [`${table.tableArn}/stream/*`],
  });
}
