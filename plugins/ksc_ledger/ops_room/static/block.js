/* The block on Airflow's home page: a few sentences and the way to the page. React is Airflow's. */
const Block = () => {
  const { createElement: h, useEffect, useState } = globalThis.React;
  const [said, setSaid] = useState(null);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    let isOver = false;
    const ask = () =>
      fetch(new URL("tinh-hinh/tom-tat", document.baseURI), { credentials: "same-origin" })
        .then((answer) => {
          if (!answer.ok) throw new Error(String(answer.status));
          return answer.json();
        })
        .then((found) => {
          if (!isOver) {
            setSaid(found);
            setFailed("");
          }
        })
        .catch((error) => !isOver && setFailed(error.message));
    ask();
    const timer = setInterval(ask, 60000);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, []);
  const frame = {
    border: "1px solid",
    borderColor: said && said.is_bad ? "#b00020" : "#8a94a0",
    borderLeftWidth: "6px",
    borderRadius: "8px",
    padding: "10px 14px",
    margin: "8px 0",
  };
  if (failed === "403") return null; // somebody who has no part in the page
  const lines = said ? said.lines : [failed ? "Chưa đọc được tình hình." : "Đang đọc tình hình…"];
  return h(
    "section",
    { style: frame, "aria-label": "Tình hình" },
    h("strong", null, "Tình hình"),
    ...lines.map((line, place) => h("div", { key: place }, line)),
    h(
      "a",
      {
        href: new URL("plugin/tinh-hinh", document.baseURI).href,
        style: { textDecoration: "underline" }, // Airflow's style sheet takes it away
      },
      "Mở trang Tình hình",
    ),
    said ? h("small", null, ` · lúc ${said.now}`) : null,
  );
};
globalThis["KSC Ledger"] = Block;
globalThis.AirflowPlugin = Block;
export default Block;
