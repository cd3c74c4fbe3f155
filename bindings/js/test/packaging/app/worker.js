import { connect } from "outpour";

onmessage = async ({ data: gateway }) => {
  const session = connect(gateway);
  const item = await session.get("packaging/app");
  await session.close();
  postMessage(item?.value);
};
