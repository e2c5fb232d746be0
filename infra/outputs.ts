import { CfnOutput, Stack } from "aws-cdk-lib";

import type { Api } from "./api.ts";
import type { Edge } from "./edge.ts";
import type { Epochs } from "./epochs.ts";
import type { Events } from "./events.ts";
import type { FirmwareStore } from "./firmware-store.ts";
import type { FunctionName } from "./function-code.ts";
import type { Keys } from "./keys.ts";
import type { OperatorPolicies } from "./operator-policies.ts";
import type { Registry } from "./registry.ts";
import type { Trust } from "./trust.ts";

export interface OutputsProps {
  readonly serviceId: string;
  readonly api: Api;
  readonly edge: Edge;
  readonly firmwareStore: FirmwareStore;
  readonly keys: Keys;
  readonly policies: OperatorPolicies;
  readonly functions: Readonly<Record<FunctionName, { readonly handler: { readonly functionName: string } }>>;
  readonly registry: Registry;
  readonly trust: Trust;
  readonly epochs: Epochs;
  readonly events: Events;
}

/** Gives the stack the outputs that operators and tools address the service by, under names that are fixed. */
export function addOutputs(props: OutputsProps): void {
  const stack = Stack.of(props.api);
  for (const [name, value] of Object.entries(outputs(props, stack))) {
    if (stack.node.tryFindChild(name)) {
      throw new Error(
        `stack ${stack.stackName} has a ${name} already, and a Sealpost names its outputs so, for the sealpost command to find them: put this Sealpost into a stack of its own`,
      );
    }
    new CfnOutput(stack, name, { value });
  }
}

function outputs(props: OutputsProps, { region }: Stack): Record<string, string> {
  const { serviceId, api, edge, firmwareStore, keys, policies, functions, registry, trust, epochs, events } = props;
  const domain = edge.distribution.distributionDomainName;
  return {
    ServiceId: serviceId,
    Region: region,
    ApiId: api.httpApi.apiId,
    ApiUrl: api.httpApi.apiEndpoint,
    DistributionDomain: domain,
    MessagePlaneUrl: `http://${domain}`,
    FirmwareBucket: firmwareStore.bucket.bucketName,
    RootKeyId: keys.root.keyArn,
    IssuingCaKeyId: keys.issuingCa.keyArn,
    KeySetKeyId: keys.keySet.keyArn,
    ReceiptKeyId: keys.receipt.keyArn,
    ReleaseKeyId: keys.release.keyArn,
    SecretsKeyId: keys.secrets.keyArn,
    EnrollingPolicyArn: policies.enrolling.managedPolicyArn,
    RevokingPolicyArn: policies.revoking.managedPolicyArn,
    CommandingPolicyArn: policies.commanding.managedPolicyArn,
    PublishingPolicyArn: policies.publishing.managedPolicyArn,
    ReleasingPolicyArn: policies.releasing.managedPolicyArn,
    RootPolicyArn: policies.root.managedPolicyArn,
    ReadingPolicyArn: policies.reading.managedPolicyArn,
    BootstrapFunctionName: functions.bootstrap.handler.functionName,
    MessagesFunctionName: functions.messages.handler.functionName,
    KeySetSignFunctionName: functions["key-set-sign"].handler.functionName,
    KeySetReadFunctionName: functions["key-set-read"].handler.functionName,
    OperatorFunctionName: functions.operator.handler.functionName,
    PublisherFunctionName: functions.publisher.handler.functionName,
    CredentialsTable: registry.credentials.tableName,
    DevicesTable: registry.devices.tableName,
    ReleasesTable: registry.releases.tableName,
    TrustTable: trust.table.tableName,
    JournalTable: registry.journal.tableName,
    EpochsTable: epochs.table.tableName,
    ParkedQueueUrl: events.parked.queueUrl,
    FailuresBucket: events.failures.bucketName,
    ...(events.bus && { EventBusName: events.bus.eventBusName }),
    ...(events.tail && { EventsTailQueueUrl: events.tail.queueUrl }),
  };
}
