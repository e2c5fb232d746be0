import { AttributeType, StreamViewType } from "aws-cdk-lib/aws-dynamodb";
import type { TableV2 } from "aws-cdk-lib/aws-dynamodb";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";

import { createTable, grantIndexQuery, grantStreamRead, grantTable } from "./table.ts";

export interface RegistryProps {
  /** Whether the tables outlive the stack. */
  readonly retain: boolean;
}

const string = (name: string) => ({ name, type: AttributeType.STRING });

/**
 * Who may connect, who is connected, what they should run, and what happened. No function may scan a table or delete
 * an item: lists come from sharded indexes, and what has ended stays as a tombstone. The journal is only ever added to.
 */
export class Registry extends Construct {
  readonly credentials: TableV2;
  readonly devices: TableV2;
  readonly releases: TableV2;
  readonly journal: TableV2;

  constructor(scope: Construct, id: string, { retain }: RegistryProps) {
    super(scope, id);
    this.credentials = createTable(this, "Credentials", retain, {
      partitionKey: string("credentialId"),
      globalSecondaryIndexes: [{ indexName: "list", partitionKey: string("shard"), sortKey: string("credentialId") }],
      timeToLiveAttribute: "expires",
    });
    this.devices = createTable(this, "Devices", retain, {
      partitionKey: string("deviceId"),
      sortKey: string("item"),
      globalSecondaryIndexes: [{ indexName: "list", partitionKey: string("shard"), sortKey: string("deviceId") }],
      dynamoStream: StreamViewType.NEW_IMAGE,
    });
    this.releases = createTable(this, "Releases", retain, {
      partitionKey: string("target"),
      sortKey: { name: "counter", type: AttributeType.NUMBER },
      globalSecondaryIndexes: [{ indexName: "list", partitionKey: string("shard"), sortKey: string("at") }],
    });
    this.journal = createTable(this, "Journal", retain, {
      partitionKey: string("target"),
      sortKey: string("at"),
      globalSecondaryIndexes: [{ indexName: "byDay", partitionKey: string("day"), sortKey: string("at") }],
      dynamoStream: StreamViewType.NEW_IMAGE,
    });
  }

  /** To spend a credential and store a device, with journal entries, in one transaction; the journal's table also holds what a restore must not take back. */
  grantBootstrap(grantee: IGrantable): void {
    grantTable(this.credentials, grantee, "dynamodb:BatchGetItem", "dynamodb:PutItem");
    grantTable(this.devices, grantee, "dynamodb:BatchGetItem", "dynamodb:PutItem");
    grantTable(this.journal, grantee, "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem");
  }

  /** To read a device and its release and to commit an exchange; the journal's table also holds what a restore must not take back. */
  grantMessages(grantee: IGrantable): void {
    grantTable(this.devices, grantee, "dynamodb:BatchGetItem", "dynamodb:PutItem");
    grantTable(this.releases, grantee, "dynamodb:GetItem");
    grantTable(this.journal, grantee, "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem");
  }

  /** To enrol, list, revoke and release, each with a journal entry. */
  grantOperator(grantee: IGrantable): void {
    grantTable(this.credentials, grantee, "dynamodb:BatchGetItem", "dynamodb:PutItem");
    grantTable(this.devices, grantee, "dynamodb:BatchGetItem", "dynamodb:PutItem");
    grantTable(
      this.releases,
      grantee,
      "dynamodb:BatchGetItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
    );
    grantTable(
      this.journal,
      grantee,
      "dynamodb:BatchGetItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
    );
    for (const table of [this.credentials, this.devices, this.releases]) {
      grantIndexQuery(table, "list", grantee);
    }
    grantIndexQuery(this.journal, "byDay", grantee);
  }
  /** To be called with the changes of the tables that say what happens, and to read a day of the journal again. */
  grantPublisher(grantee: IGrantable): void {
    for (const table of [this.devices, this.journal]) grantStreamRead(table, grantee);
    grantIndexQuery(this.journal, "byDay", grantee);
  }
}
