// The link that logs in once carries its code in the fragment, which no server sees: take it out of the address, then post it.

const code = new URLSearchParams(location.hash.slice(1)).get("code");
if (code) {
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("once");
  form.elements.code.value = code;
  form.submit();
}
