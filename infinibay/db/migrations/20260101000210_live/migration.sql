-- A session that ends takes its streams with it, in whichever process they run: each listens to this channel, whose
-- messages name the user. The rows tell what ended.
CREATE FUNCTION "announce_session"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('infinibay_sessions', OLD."user_id"::text);
  RETURN NULL;
END;
$$;

CREATE FUNCTION "announce_user"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('infinibay_sessions', OLD."id"::text);
  RETURN NULL;
END;
$$;

-- The sessions of a deleted row of `users` are deleted with it, and so are announced by the first of these.
CREATE TRIGGER "sessions_announce" AFTER UPDATE OR DELETE ON "sessions"
  FOR EACH ROW EXECUTE FUNCTION "announce_session"();
CREATE TRIGGER "users_announce" AFTER UPDATE ON "users" FOR EACH ROW
  WHEN (OLD."role" IS DISTINCT FROM NEW."role" OR OLD."deleted_at" IS DISTINCT FROM NEW."deleted_at")
  EXECUTE FUNCTION "announce_user"();
