// The line at the top: what this is, who is logged in, and the way in and out.

import { useState } from "react";

import { login, logout, useSession } from "./session.js";

export function Header() {
  const { token, user, note } = useSession();
  return (
    <header className="bar">
      <div className="brand">
        <Mark />
        <h1>infinibay</h1>
      </div>
      {token ? <Account user={user} /> : <LoginForm />}
      <p className="note" role="alert">
        {note}
      </p>
    </header>
  );
}

function LoginForm() {
  const [busy, setBusy] = useState(false);

  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    const { email, password } = Object.fromEntries(new FormData(form));
    const welcome = await login(email.trim(), password);
    if (!welcome) {
      setBusy(false);
      form.elements.password.select();
    }
  }

  return (
    <form className="login" onSubmit={submit}>
      <input name="email" type="email" aria-label="E-mail" placeholder="E-mail" autoComplete="username" required />
      <input
        name="password"
        type="password"
        aria-label="Password"
        placeholder="Password"
        autoComplete="current-password"
        required
      />
      <button type="submit" className="strong" disabled={busy}>
        Log in
      </button>
    </form>
  );
}

function Account({ user }) {
  return (
    <div className="account">
      <span className="who" aria-label="Logged in as">
        {user ? (
          <>
            <span className="email">{user.email}</span> <span className="role">{user.role}</span>
          </>
        ) : (
          "…"
        )}
      </span>
      <button type="button" onClick={logout}>
        Log out
      </button>
    </div>
  );
}

function Mark() {
  return (
    <svg className="mark" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="2.5" aria-hidden="true">
      <path d="M12 12c-2-2.7-3.3-4-5-4a4 4 0 0 0 0 8c1.7 0 3-1.3 5-4s3.3-4 5-4a4 4 0 0 1 0 8c-1.7 0-3-1.3-5-4z" />
    </svg>
  );
}
