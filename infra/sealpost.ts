import { join } from "node:path";

import { Tags } from "aws-cdk-lib";
import type { HttpApi } from "aws-cdk-lib/aws-apigatewayv2";
import type { Alarm } from "aws-cdk-lib/aws-cloudwatch";
import type { Distribution } from "aws-cdk-lib/aws-cloudfront";
import type { TableV2 } from "aws-cdk-lib/aws-dynamodb";
import type { IGrantable, ManagedPolicy } from "aws-cdk-lib/aws-iam";
import type { EventBus } from "aws-cdk-lib/aws-events";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import type { Bucket } from "aws-cdk-lib/aws-s3";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";

import { acknowledgeExceptions } from "./acknowledged.ts";
import { Api } from "./api.ts";
import { BootstrapApi } from "./bootstrap-api.ts";
import { Edge } from "./edge.ts";
import { Epochs } from "./epochs.ts";
import { Events } from "./events.ts";
import { FirmwareStore } from "./firmware-store.ts";
import { functionCodeIn } from "./function-code.ts";
import type { FunctionName } from "./function-code.ts";
import { KeySet } from "./key-set.ts";
import { Keys } from "./keys.ts";
import { MessageApi } from "./message-api.ts";
import { OperatorApi } from "./operator-api.ts";
import { OperatorPolicies } from "./operator-policies.ts";
import { addOutputs } from "./outputs.ts";
import { defaults, problemsOf } from "./props.ts";
import type { SealpostProps } from "./props.ts";
import { Registry } from "./registry.ts";
import { Trust } from "./trust.ts";

/** The stateful resources of one service, to back up or to watch; not the table of epochs, which nothing may copy. Their logical ids are kept from release to release. */
export interface SealpostTables {
  readonly credentials: TableV2;
  readonly devices: TableV2;
  readonly releases: TableV2;
  readonly journal: TableV2;
  readonly trust: TableV2;
}

/** A policy for each duty of an operator, to attach to the account's own roles; none implies another. */
export interface SealpostPolicies {
  readonly enrolling: ManagedPolicy;
  readonly revoking: ManagedPolicy;
  readonly commanding: ManagedPolicy;
  readonly publishing: ManagedPolicy;
  readonly releasing: ManagedPolicy;
  readonly root: ManagedPolicy;
  readonly reading: ManagedPolicy;
}

/** How what happens, and what devices measured, is published. The alarms have no actions yet: give them those of the account. */
export interface SealpostEvents {
  /** Its own, to put rules on; none where the props name another target. */
  readonly bus?: EventBus;
  /** What could not be published. */
  readonly parked: Queue;
  /** What could not even be parked. */
  readonly failures: Bucket;
  /** Events come an hour late. */
  readonly lateAlarm: Alarm;
  /** Something is parked. */
  readonly parkedAlarm: Alarm;
  /** The publisher failed as a whole. */
  readonly failedAlarm: Alarm;
}

/**
 * The whole service as one construct: the bootstrap and message APIs, the plain-HTTP edge, keys, tables, the firmware
 * bucket and a policy for each duty of an operator. The functions come built with this package.
 *
 * Its stack gets the outputs that the `sealpost` command reads (`cdk deploy --outputs-file outputs.json`), so one stack
 * holds one service.
 *
 * @example
 * const sealpost = new Sealpost(this, "Sealpost", { serviceId: "meters.example.net" });
 * sealpost.grantEnrol(productionLineRole);
 */
export class Sealpost extends Construct {
  /** Bootstrap, operators, and where the edge forwards to. */
  readonly httpApi: HttpApi;
  /** The plain-HTTP edge, for example to attach a web firewall to. */
  readonly distribution: Distribution;
  readonly firmwareBucket: Bucket;
  readonly tables: SealpostTables;
  readonly policies: SealpostPolicies;
  readonly events: SealpostEvents;
  /** Has no action yet: give it those of the account. */
  readonly keySetAlarm: Alarm;
  /** For alarms: their grants are complete. */
  readonly functions: Readonly<Record<FunctionName, LambdaFunction>>;
  readonly #policies: OperatorPolicies;

  /** @throws when a prop is not what it must be, or the stack holds a Sealpost already */
  constructor(scope: Construct, id: string, props: SealpostProps) {
    super(scope, id);
    const {
      serviceId,
      keyGeneration,
      logRetentionDays,
      retain,
      emulated,
      functionCode: code,
      ...more
    } = settle(this, props);
    const settings = { logRetentionDays, retain };

    const custody = {
      signingCustody: more.signingCustody,
      decryptionCustody: more.decryptionCustody,
      signingEpochDays: more.signingEpochDays,
      decryptionEpochDays: more.decryptionEpochDays,
      custodyHandover: more.custodyHandover,
    };
    const keys = new Keys(this, "Keys", { keyGeneration, retain });
    const registry = new Registry(this, "Registry", { retain });
    const trust = new Trust(this, "Trust", { retain });
    const epochs = new Epochs(this, "Epochs", { serviceId, retain });
    const api = new Api(this, "Api", settings);
    const firmwareStore = new FirmwareStore(this, "FirmwareStore", {
      noncurrentDays: more.firmwareNoncurrentDays,
      retain,
      enforceTls: !emulated,
    });
    const bootstrapApi = new BootstrapApi(this, "BootstrapApi", {
      serviceId,
      keyGeneration,
      api,
      keys,
      registry,
      trust,
      settings,
      code: code.bootstrap,
      throttle: more.bootstrapThrottle,
    });
    const messageApi = new MessageApi(this, "MessageApi", {
      serviceId,
      keyGeneration,
      custody,
      api,
      keys,
      epochs,
      registry,
      trust,
      settings,
      code: code.messages,
      throttle: more.messageThrottle,
    });
    const keySet = new KeySet(this, "KeySet", {
      serviceId,
      keyGeneration,
      custody,
      api,
      keys,
      epochs,
      trust,
      settings,
      code: { sign: code["key-set-sign"], read: code["key-set-read"] },
    });
    const operatorApi = new OperatorApi(this, "OperatorApi", {
      serviceId,
      keyGeneration,
      api,
      registry,
      trust,
      settings,
      code: code.operator,
    });
    const events = new Events(this, "Events", {
      serviceId,
      registry,
      target: more.events,
      settings,
      code: code.publisher,
      emulated,
    });
    const policies = new OperatorPolicies(this, "OperatorPolicies", { operatorApi, keys, firmwareStore, events });
    const edge = new Edge(this, "Edge", { api, firmwareStore });

    const functions = {
      bootstrap: bootstrapApi.function,
      messages: messageApi.function,
      "key-set-sign": keySet.signFunction,
      "key-set-read": keySet.readFunction,
      operator: operatorApi.function,
      publisher: events.function,
    } as const satisfies Record<FunctionName, unknown>;
    keys.denyOperatorKeys(Object.values(functions).map(({ role }) => role));
    acknowledgeExceptions({ api, epochs, events, firmwareStore, edge, operatorPolicies: policies, registry }, emulated);
    addOutputs({ serviceId, api, edge, firmwareStore, keys, policies, functions, registry, trust, epochs, events });
    Tags.of(this).add("sealpost:service", serviceId);

    this.httpApi = api.httpApi;
    this.distribution = edge.distribution;
    this.firmwareBucket = firmwareStore.bucket;
    this.tables = {
      credentials: registry.credentials,
      devices: registry.devices,
      releases: registry.releases,
      journal: registry.journal,
      trust: trust.table,
    };
    this.functions = {
      bootstrap: functions.bootstrap.handler,
      messages: functions.messages.handler,
      "key-set-sign": functions["key-set-sign"].handler,
      "key-set-read": functions["key-set-read"].handler,
      operator: functions.operator.handler,
      publisher: functions.publisher.handler,
    };
    this.events = {
      ...(events.bus && { bus: events.bus }),
      parked: events.parked,
      failures: events.failures,
      lateAlarm: events.lateAlarm,
      parkedAlarm: events.parkedAlarm,
      failedAlarm: events.failedAlarm,
    };
    this.keySetAlarm = keySet.alarm;
    this.policies = policies;
    this.#policies = policies;
  }

  /** To issue and withdraw credentials of devices. */
  grantEnrol(grantee: IGrantable): void {
    this.#policies.grantDuty(grantee, "enrolling");
  }

  /** To revoke devices and credentials. */
  grantRevoke(grantee: IGrantable): void {
    this.#policies.grantDuty(grantee, "revoking");
  }

  /** To give commands to devices and to take them back. */
  grantCommand(grantee: IGrantable): void {
    this.#policies.grantDuty(grantee, "commanding");
  }

  /** To have parked events, and days of the journal, published again. */
  grantRepublish(grantee: IGrantable): void {
    this.#policies.grantDuty(grantee, "publishing");
  }

  /** To sign and publish firmware. */
  grantRelease(grantee: IGrantable): void {
    this.#policies.grantDuty(grantee, "releasing");
  }

  /** To sign trust documents with the root: for a role that is hardly ever used. */
  grantPublishTrust(grantee: IGrantable): void {
    this.#policies.grantDuty(grantee, "root");
  }

  /** To see everything and change nothing. */
  grantRead(grantee: IGrantable): void {
    this.#policies.grantDuty(grantee, "reading");
  }
}

/** Props with every default in place. */
function settle(scope: Construct, props: SealpostProps) {
  const problems = problemsOf({ ...props });
  if (problems.length > 0) throw new Error(`${scope.node.path}: ${problems.join("; ")}`);
  return {
    serviceId: props.serviceId,
    keyGeneration: props.keyGeneration ?? defaults.keyGeneration,
    logRetentionDays: props.logRetentionDays ?? defaults.logRetentionDays,
    firmwareNoncurrentDays: props.firmwareNoncurrentDays ?? defaults.firmwareNoncurrentDays,
    bootstrapThrottle: props.bootstrapThrottle ?? defaults.bootstrapThrottle,
    messageThrottle: props.messageThrottle ?? defaults.messageThrottle,
    signingCustody: props.signingCustody ?? defaults.signingCustody,
    decryptionCustody: props.decryptionCustody ?? defaults.decryptionCustody,
    signingEpochDays: props.signingEpochDays ?? defaults.signingEpochDays,
    decryptionEpochDays: props.decryptionEpochDays ?? defaults.decryptionEpochDays,
    custodyHandover: props.custodyHandover ?? defaults.custodyHandover,
    events: props.events,
    retain: props.retain ?? defaults.retain,
    emulated: props.emulated ?? defaults.emulated,
    functionCode: props.functionCode ?? functionCodeIn(join(import.meta.dirname, "functions")),
  };
}
