import { render } from "preact";
import { whoAmI } from "./api";
import { startLive } from "./live";
import { startRouter } from "./router";
import { Shell } from "./shell";
import "./theme";
import "./style.css";

startRouter();
void whoAmI();
startLive();
render(<Shell />, document.getElementById("page")!);
