import { render } from "preact";
import { whoAmI } from "./api";
import { startRouter } from "./router";
import { Shell } from "./shell";
import "./theme";
import "./style.css";

startRouter();
void whoAmI();
render(<Shell />, document.getElementById("page")!);
