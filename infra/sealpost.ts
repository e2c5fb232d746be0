import { Construct } from "constructs";

import { acknowledgeExceptions } from "./acknowledged.ts";
import { Api } from "./api.ts";
import { BootstrapApi } from "./bootstrap-api.ts";
import { Edge } from "./edge.ts";
import { FirmwareStore } from "./firmware-store.ts";
import type { FunctionCode } from "./function-code.ts";
import { KeySet } from "./key-set.ts";
import { Keys } from "./keys.ts";
import { MessageApi } from "./message-api.ts";
import { OperatorApi } from "./operator-api.ts";
import { OperatorPolicies } from "./operator-policies.ts";
import { Registry } from "./registry.ts";
import type { StageMembers } from "./stage.ts";
import { Trust } from "./trust.ts";

export interface SealpostProps extends StageMembers {
  readonly code: FunctionCode;
  /** Whether tables, keys, firmware and logs outlive the stack, and refuse to be deleted before. */
  readonly retain: boolean;
  /** An emulator speaks plain HTTP to S3: leave out the condition that wants TLS. */
  readonly emulated: boolean;
}

/** The whole service as one construct, in a stack of its own or in yours. */
export class Sealpost extends Construct {
  readonly keys: Keys;
  readonly registry: Registry;
  readonly trust: Trust;
  readonly api: Api;
  readonly bootstrapApi: BootstrapApi;
  readonly messageApi: MessageApi;
  readonly keySet: KeySet;
  readonly firmwareStore: FirmwareStore;
  readonly operatorApi: OperatorApi;
  readonly operatorPolicies: OperatorPolicies;
  readonly edge: Edge;

  constructor(scope: Construct, id: string, props: SealpostProps) {
    super(scope, id);
    const { serviceId, keyGeneration, logRetentionDays, retain, emulated, code } = props;
    const settings = { logRetentionDays, retain };

    this.keys = new Keys(this, "Keys", {
      keyGeneration,
      retain,
    });
    this.registry = new Registry(this, "Registry", { retain });
    this.trust = new Trust(this, "Trust", { retain });
    this.api = new Api(this, "Api", settings);
    this.firmwareStore = new FirmwareStore(this, "FirmwareStore", {
      noncurrentDays: props.firmwareNoncurrentDays,
      retain,
      enforceTls: !emulated,
    });

    const { keys, registry, trust, api, firmwareStore } = this;
    this.bootstrapApi = new BootstrapApi(this, "BootstrapApi", {
      serviceId,
      keyGeneration,
      api,
      keys,
      registry,
      trust,
      settings,
      code: code.bootstrap,
      throttle: props.bootstrapThrottle,
    });
    this.messageApi = new MessageApi(this, "MessageApi", {
      serviceId,
      keyGeneration,
      api,
      keys,
      registry,
      trust,
      settings,
      code: code.messages,
      throttle: props.messageThrottle,
    });
    this.keySet = new KeySet(this, "KeySet", {
      serviceId,
      api,
      keys,
      trust,
      settings,
      code: { sign: code["keyset-sign"], read: code["keyset-read"] },
    });
    this.operatorApi = new OperatorApi(this, "OperatorApi", {
      serviceId,
      keyGeneration,
      api,
      registry,
      trust,
      settings,
      code: code.operator,
    });
    this.operatorPolicies = new OperatorPolicies(this, "OperatorPolicies", {
      operatorApi: this.operatorApi,
      keys,
      firmwareStore,
    });
    this.edge = new Edge(this, "Edge", { api, firmwareStore });

    keys.denyOperatorKeys([
      this.bootstrapApi.function.role,
      this.messageApi.function.role,
      this.keySet.signFunction.role,
      this.keySet.readFunction.role,
      this.operatorApi.function.role,
    ]);
    acknowledgeExceptions(this, emulated);
  }
}
