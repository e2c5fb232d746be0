import { App, Stack, type StackProps } from "aws-cdk-lib";
import { Sealpost } from "@sealpost/cdk";

class Meters extends Stack {
  constructor(app: App, id: string, props?: StackProps) {
    super(app, id, props);
    new Sealpost(this, "Sealpost", { serviceId: "meters.example.net" });
  }
}

new Meters(new App(), "Meters", { terminationProtection: true });
