// Takes a secret off the page after half a minute, and when the page is left; copies it without naming it elsewhere.
const shown = document.getElementById("secret");
const output = shown.querySelector("output");
const copy = shown.querySelector("button");

function hide() {
  output.textContent = "";
  shown.hidden = true;
  document.getElementById("hidden").hidden = false;
}

setTimeout(hide, 29000);
addEventListener("pagehide", hide);
if (navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", () => navigator.clipboard.writeText(output.textContent));
}
