// The link that logs in once carries its code in the fragment, which no server sees: take it out of the address, then post it.

function enter() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("once");
  form.elements.code.value = code;
  form.submit();
}

// Opened in a tab that shows the login already, the link changes nothing but the fragment.
addEventListener("hashchange", enter);
enter();
