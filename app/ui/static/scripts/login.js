// The login page: sends name and password to the server, which answers with a cookie.

const form = document.querySelector("#login");
const said = document.querySelector(".said");

document.body.classList.toggle(
  "dark",
  (localStorage.getItem("limelight-mode") ??
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark",
);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = "";
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
    });
    if (answer.ok) {
      location.reload();
      return;
    }
    said.textContent =
      answer.status === 429 ? (await answer.json()).detail : "The name or the password is wrong.";
  } catch {
    said.textContent = "The server does not answer; try again in a moment.";
  }
  form.elements.password.select();
});
