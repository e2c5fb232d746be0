import { randomUUID } from "node:crypto";

import { type Attributes, fromAttributes, toAttributes } from "../aws/attributes.ts";
import type { AwsClient } from "../aws/client.ts";
import { AwsError } from "../aws/error.ts";
import { awsErrorName, awsFault } from "../fault/aws-fault.ts";
import { Fault } from "../fault/fault.ts";
import { cursorBehind, keyAt } from "./cursor.ts";
import { type Item, type Key, type Put, type Store, type Table, sortAttribute, tables } from "./port.ts";

export type TableNames = Partial<Record<Table, string>>;

/**
 * The store on DynamoDB. Each method is one call: GetItem or BatchGetItem, PutItem or TransactWriteItems, Query.
 * @param call a client of DynamoDB
 */
export function dynamodbStore(call: AwsClient, tableNames: TableNames): Store {
  const tableName = (table: Table) => {
    const name = tableNames[table];
    if (name === undefined) throw new Fault("not-set-up", `no name for table ${table}`);
    return name;
  };

  const readOne = async ({ table, key }: Key) => {
    const input = { TableName: tableName(table), Key: keyOf(table, key), ConsistentRead: true };
    const { Item: item } = await call<{ Item?: Attributes }>("GetItem", input);
    return [item && fromAttributes(item)];
  };

  const readSeveral = async (keys: readonly Key[]) => {
    const byTable = Map.groupBy(keys, ({ table }) => tableName(table));
    const requests = [...byTable].map(([name, group]) => [
      name,
      { Keys: group.map(({ table, key }) => keyOf(table, key)), ConsistentRead: true },
    ]);
    type Answer = { Responses?: { [table: string]: Attributes[] }; UnprocessedKeys?: object };
    const input = { RequestItems: Object.fromEntries(requests) };
    const { Responses = {}, UnprocessedKeys = {} } = await call<Answer>("BatchGetItem", input);
    if (Object.keys(UnprocessedKeys).length > 0) throw new Fault("throttled", "BatchGetItem: unprocessed keys");
    const read = new Map(Object.entries(Responses).map(([name, items]) => [name, items.map(fromAttributes)]));
    return keys.map(({ table, key }) =>
      read.get(tableName(table))?.find((item) => tables[table].every((name) => item[name] === key[name])),
    );
  };

  return {
    async read(keys) {
      const [first, ...others] = keys;
      if (!first) return [];
      try {
        return others.length === 0 ? await readOne(first) : await readSeveral(keys);
      } catch (error) {
        throw error instanceof Fault ? error : awsFault(error, "DynamoDB read");
      }
    },

    async write(puts) {
      const conditional = puts.map((put) => toConditionalPut(put, tableName(put.table)));
      const [first, ...others] = conditional;
      if (!first) return true;
      try {
        if (others.length === 0) await call("PutItem", first);
        else {
          const TransactItems = conditional.map((Put) => ({ Put }));
          // The client's own repeat of a write whose answer was lost finds it done, not a lost race.
          await call("TransactWriteItems", { TransactItems, ClientRequestToken: randomUUID() });
        }
        return true;
      } catch (error) {
        if (isLostRace(error)) return false;
        throw writeFault(error);
      }
    },

    async list(request) {
      const { table, index, partition, beginsWith, limit, cursor, descending = false } = request;
      const [attribute, value] = partition;
      const start = cursor === undefined ? undefined : keyAt(request, cursor);
      if (cursor !== undefined && !start) throw new Fault("unavailable", "list: the cursor is of another list");
      try {
        const page = await call<{ Items?: Attributes[]; LastEvaluatedKey?: Attributes }>("Query", {
          TableName: tableName(table),
          ...(index ? { IndexName: index } : { ConsistentRead: true }),
          KeyConditionExpression: `#partition = :value${beginsWith === undefined ? "" : " AND begins_with(#sort, :prefix)"}`,
          ExpressionAttributeNames: {
            "#partition": attribute,
            ...(beginsWith === undefined ? {} : { "#sort": sortAttribute(table, index) }),
          },
          ExpressionAttributeValues: toAttributes({
            ":value": value,
            ...(beginsWith === undefined ? {} : { ":prefix": beginsWith }),
          }),
          Limit: limit,
          ScanIndexForward: !descending,
          ...(start ? { ExclusiveStartKey: toAttributes(start) } : {}),
        });
        const items = (page.Items ?? []).map(fromAttributes);
        if (!page.LastEvaluatedKey) return { items };
        return { items, cursor: cursorBehind(request, fromAttributes(page.LastEvaluatedKey)) };
      } catch (error) {
        throw awsFault(error, "DynamoDB list");
      }
    },
  };
}

function keyOf(table: Table, item: Item): Attributes {
  return toAttributes(Object.fromEntries(tables[table].map((name) => [name, item[name]])));
}

function toConditionalPut({ table, item, when }: Put, tableName: string) {
  const base = { TableName: tableName, Item: toAttributes(item) };
  if (when === "absent") {
    const [partitionKey] = tables[table];
    return {
      ...base,
      ConditionExpression: "attribute_not_exists(#key)",
      ExpressionAttributeNames: { "#key": partitionKey },
    };
  }
  const entries = Object.entries(when);
  return {
    ...base,
    ConditionExpression: entries.map((_, i) => `#n${i} = :v${i}`).join(" AND "),
    ExpressionAttributeNames: Object.fromEntries(entries.map(([name], i) => [`#n${i}`, name])),
    ExpressionAttributeValues: toAttributes(Object.fromEntries(entries.map(([, value], i) => [`:v${i}`, value]))),
  };
}

const lostRaces = new Set(["ConditionalCheckFailed", "TransactionConflict"]);
const throttles = new Set(["ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"]);

/** A cancelled transaction is a lost race only if no reason says otherwise: a throttled one must not look like a conflict. */
function isLostRace(error: unknown): boolean {
  const name = awsErrorName(error);
  if (name === "ConditionalCheckFailedException" || name === "TransactionConflictException") return true;
  const codes = cancellationCodes(error);
  return codes.length > 0 && codes.every((code) => lostRaces.has(code));
}

/** A cancelled transaction says in its reasons alone that it was throttled. */
function writeFault(error: unknown): Fault {
  const throttled = cancellationCodes(error).find((code) => throttles.has(code));
  if (throttled === undefined) return awsFault(error, "DynamoDB write");
  return new Fault("throttled", `DynamoDB write: ${throttled}`, { cause: error });
}

/** Why a transaction was cancelled; what was in order has no code. Empty for any other error. */
function cancellationCodes(error: unknown): string[] {
  if (!(error instanceof AwsError) || error.name !== "TransactionCanceledException") return [];
  return error.cancellationCodes.filter((code) => code !== "None");
}
