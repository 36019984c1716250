ALTER TABLE "isos"
  ADD COLUMN "editions" TEXT[],
  ADD COLUMN "architecture" TEXT,
  ADD COLUMN "label" TEXT,
  ADD COLUMN "boots" TEXT[],
  ADD COLUMN "stamp" TEXT,
  ADD COLUMN "problem" TEXT,
  ADD COLUMN "last_verified" TIMESTAMPTZ(3),
  ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- A system has one chosen medium at most.
CREATE UNIQUE INDEX "isos_default_key" ON "isos" ("os") WHERE "is_default";
