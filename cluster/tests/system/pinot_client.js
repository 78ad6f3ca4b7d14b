// The npm package pinot-client, as its README uses it: broker discovery through the controller, then a query.
const { ConnectionFactory } = require("pinot-client");

(async () => {
    const connection = await ConnectionFactory.fromController(process.env.CONTROLLER.replace("http://", ""));
    const answer = await connection.execute(
        "flights", "SELECT carrier, COUNT(*) AS c FROM flights GROUP BY carrier ORDER BY c DESC LIMIT 2");
    answer.resultTable.rows.forEach((row) => console.log(row.join(" ")));
    let failed = null;
    try {
        const wrong = await connection.execute("flights", "SELECT nothing FROM flights");
        failed = (wrong.exceptions[0] || {}).message;
    } catch (error) {
        failed = String(error.message || error);
    }
    if (!failed) throw new Error("an unknown column was answered");
    process.exit(0);
})().catch((error) => {
    console.error(error);
    process.exit(1);
});
