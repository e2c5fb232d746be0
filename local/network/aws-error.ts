export type AwsError = {
  /** The shape's name, "TransactionConflictException", say. */
  readonly code: string;
  readonly message: string;
  /** 400 unless told. */
  readonly status?: number;
  /** Further members of the shape, CancellationReasons, say. */
  readonly members?: Readonly<Record<string, unknown>>;
};

const dynamodbNamespace = "com.amazonaws.dynamodb.v20120810#";

/** An error as the AWS JSON protocols carry it: the shape's name in `__type`, with or without its namespace. */
export function awsError(error: AwsError): { readonly status: number; readonly body: string } {
  return {
    status: error.status ?? 400,
    body: JSON.stringify({ __type: error.code, message: error.message, ...error.members }),
  };
}

/** What the service behind this `X-Amz-Target` says when it throttles; the SDK retries both. */
export function throttlingError(target: string): AwsError {
  return target.startsWith("DynamoDB_")
    ? {
        code: `${dynamodbNamespace}ProvisionedThroughputExceededException`,
        message: "The level of configured provisioned throughput for the table was exceeded.",
      }
    : { code: "ThrottlingException", message: "You have exceeded the rate at which you may call." };
}
