async function main() {
  const { connect } = await import("outpour");
  const session = connect(process.argv[2]);
  await session.set("packaging/cjs", { n: 2 });
  console.log((await session.get("packaging/cjs")).value.n);
  await session.close();
}

void main();
