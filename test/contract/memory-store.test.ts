import { memoryStore } from "../../functions/store/memory-store.ts";
import { storeContract } from "./store.ts";

storeContract("memory", memoryStore);
