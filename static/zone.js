// Fill in the browser's own time zone where none was chosen yet; without it people type theirs.
const field = document.querySelector("[data-zone]");
if (field && (field.value === "" || field.value === "UTC")) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || field.value;
}
