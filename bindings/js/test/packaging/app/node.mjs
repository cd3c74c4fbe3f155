import { connect } from "outpour";

const session = connect(process.argv[2]);
await session.set("packaging/node", { n: 1 });
console.log((await session.get("packaging/node")).value.n);
await session.close();
