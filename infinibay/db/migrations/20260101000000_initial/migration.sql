-- CreateEnum
CREATE TYPE "UserRole" AS ENUM ('USER', 'ADMIN', 'SUPER_ADMIN');

-- CreateEnum
CREATE TYPE "MachineStatus" AS ENUM ('building', 'running', 'paused', 'stopped', 'crashed', 'failed');

-- CreateEnum
CREATE TYPE "OperationState" AS ENUM ('QUEUED', 'RUNNING', 'WAITING', 'CANCELLING', 'SUCCEEDED', 'FAILED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "RuleSetType" AS ENUM ('DEPARTMENT', 'VM');

-- CreateEnum
CREATE TYPE "RuleAction" AS ENUM ('ACCEPT', 'DROP', 'REJECT');

-- CreateEnum
CREATE TYPE "RuleDirection" AS ENUM ('IN', 'OUT', 'INOUT');

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "email" TEXT NOT NULL,
    "email_key" TEXT NOT NULL,
    "password_hash" TEXT NOT NULL,
    "first_name" TEXT NOT NULL,
    "last_name" TEXT NOT NULL,
    "avatar" TEXT,
    "role" "UserRole" NOT NULL DEFAULT 'USER',
    "deleted_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sessions" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "secrets" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "machine_id" UUID NOT NULL,
    "purpose" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "secrets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "hosts" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "libvirt_uri" TEXT NOT NULL,
    "hypervisor_connected" BOOLEAN NOT NULL DEFAULT false,
    "worker_seen_at" TIMESTAMPTZ(3),
    "boot_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "hosts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "departments" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "name_key" TEXT NOT NULL,
    "internet_speed" INTEGER,
    "ip_subnet" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "departments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "machine_template_categories" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "name_key" TEXT NOT NULL,
    "description" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "machine_template_categories_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "machine_templates" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "name_key" TEXT NOT NULL,
    "description" TEXT,
    "cores" INTEGER NOT NULL,
    "ram_gb" INTEGER NOT NULL,
    "storage_gb" INTEGER NOT NULL,
    "category_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "machine_templates_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "machines" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "name_key" TEXT NOT NULL,
    "internal_name" TEXT NOT NULL,
    "status" "MachineStatus" NOT NULL DEFAULT 'building',
    "status_reason" TEXT,
    "os" TEXT NOT NULL,
    "cpu_cores" INTEGER NOT NULL,
    "ram_gb" INTEGER NOT NULL,
    "disk_size_gb" INTEGER NOT NULL,
    "gpu_pci_address" TEXT,
    "local_ip" TEXT,
    "public_ip" TEXT,
    "autostart" BOOLEAN NOT NULL DEFAULT false,
    "host_id" UUID NOT NULL,
    "user_id" UUID,
    "template_id" UUID,
    "department_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "machines_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "machine_configurations" (
    "machine_id" UUID NOT NULL,
    "firmware" TEXT NOT NULL,
    "tpm" BOOLEAN NOT NULL DEFAULT false,
    "domain_type" TEXT NOT NULL,
    "graphic_protocol" TEXT NOT NULL,
    "network" TEXT NOT NULL,
    "mac_address" TEXT NOT NULL,
    "iso_path" TEXT,
    "graphic_port" INTEGER,

    CONSTRAINT "machine_configurations_pkey" PRIMARY KEY ("machine_id")
);

-- CreateTable
CREATE TABLE "machine_disks" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "machine_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "pool" TEXT NOT NULL,
    "volume_name" TEXT NOT NULL,
    "size_gb" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "machine_disks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "applications" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "name_key" TEXT NOT NULL,
    "description" TEXT,
    "version" TEXT,
    "url" TEXT,
    "icon" TEXT,
    "os" TEXT[],
    "install_command" JSONB NOT NULL DEFAULT '{}',
    "parameters" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "applications_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "machine_applications" (
    "machine_id" UUID NOT NULL,
    "application_id" UUID NOT NULL,
    "parameters" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "machine_applications_pkey" PRIMARY KEY ("machine_id","application_id")
);

-- CreateTable
CREATE TABLE "operations" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "state" "OperationState" NOT NULL DEFAULT 'QUEUED',
    "host_id" UUID NOT NULL,
    "machine_id" UUID,
    "department_id" UUID,
    "requested_by_id" UUID,
    "input" JSONB NOT NULL DEFAULT '{}',
    "result" JSONB NOT NULL DEFAULT '{}',
    "step" TEXT,
    "step_number" INTEGER,
    "steps" INTEGER NOT NULL,
    "percent" INTEGER,
    "cancel_requested" BOOLEAN NOT NULL DEFAULT false,
    "failure_step" TEXT,
    "failure_code" TEXT,
    "failure_message" TEXT,
    "failure_remedy" TEXT,
    "log" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "enqueued_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "operations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "events" (
    "seq" BIGSERIAL NOT NULL,
    "kind" TEXT NOT NULL,
    "machine_id" UUID,
    "operation_id" UUID,
    "owner_id" UUID,
    "actor_id" UUID,
    "data" JSONB NOT NULL DEFAULT '{}',
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "events_pkey" PRIMARY KEY ("seq")
);

-- CreateTable
CREATE TABLE "audit_entries" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor_id" UUID,
    "action" TEXT NOT NULL,
    "machine_id" UUID,
    "arguments" JSONB NOT NULL DEFAULT '{}',
    "result" TEXT NOT NULL,

    CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "rule_sets" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "internal_name" TEXT NOT NULL,
    "entity_type" "RuleSetType" NOT NULL,
    "department_id" UUID,
    "machine_id" UUID,
    "priority" INTEGER NOT NULL DEFAULT 500,
    "is_active" BOOLEAN NOT NULL DEFAULT true,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "rule_sets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "firewall_rules" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "rule_set_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "action" "RuleAction" NOT NULL DEFAULT 'ACCEPT',
    "direction" "RuleDirection" NOT NULL DEFAULT 'INOUT',
    "priority" INTEGER NOT NULL DEFAULT 500,
    "protocol" TEXT NOT NULL DEFAULT 'all',
    "src_port_start" INTEGER,
    "src_port_end" INTEGER,
    "dst_port_start" INTEGER,
    "dst_port_end" INTEGER,
    "src_ip_addr" TEXT,
    "src_ip_mask" TEXT,
    "dst_ip_addr" TEXT,
    "dst_ip_mask" TEXT,
    "connection_state" JSONB,
    "overrides_dept" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "firewall_rules_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "isos" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "os" TEXT NOT NULL,
    "version" TEXT,
    "filename" TEXT NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "sha256" TEXT,
    "is_default" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "isos_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "settings" (
    "key" TEXT NOT NULL,
    "value" JSONB NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "settings_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "user_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "outcome" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("user_id","key")
);

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key_key" ON "users"("email_key");

-- CreateIndex
CREATE INDEX "sessions_user_id_idx" ON "sessions"("user_id");

-- CreateIndex
CREATE INDEX "sessions_expires_at_idx" ON "sessions"("expires_at");

-- CreateIndex
CREATE INDEX "secrets_expires_at_idx" ON "secrets"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "secrets_machine_id_purpose_key" ON "secrets"("machine_id", "purpose");

-- CreateIndex
CREATE UNIQUE INDEX "hosts_name_key" ON "hosts"("name");

-- CreateIndex
CREATE UNIQUE INDEX "departments_name_key_key" ON "departments"("name_key");

-- CreateIndex
CREATE UNIQUE INDEX "machine_template_categories_name_key_key" ON "machine_template_categories"("name_key");

-- CreateIndex
CREATE UNIQUE INDEX "machine_templates_name_key_key" ON "machine_templates"("name_key");

-- CreateIndex
CREATE INDEX "machine_templates_category_id_idx" ON "machine_templates"("category_id");

-- CreateIndex
CREATE UNIQUE INDEX "machines_name_key_key" ON "machines"("name_key");

-- CreateIndex
CREATE UNIQUE INDEX "machines_internal_name_key" ON "machines"("internal_name");

-- CreateIndex
CREATE INDEX "machines_user_id_idx" ON "machines"("user_id");

-- CreateIndex
CREATE INDEX "machines_department_id_idx" ON "machines"("department_id");

-- CreateIndex
CREATE INDEX "machines_template_id_idx" ON "machines"("template_id");

-- CreateIndex
CREATE INDEX "machines_host_id_idx" ON "machines"("host_id");

-- CreateIndex
CREATE INDEX "machines_created_at_idx" ON "machines"("created_at");

-- CreateIndex
CREATE UNIQUE INDEX "machine_disks_machine_id_position_key" ON "machine_disks"("machine_id", "position");

-- CreateIndex
CREATE UNIQUE INDEX "machine_disks_pool_volume_name_key" ON "machine_disks"("pool", "volume_name");

-- CreateIndex
CREATE UNIQUE INDEX "applications_name_key_key" ON "applications"("name_key");

-- CreateIndex
CREATE INDEX "machine_applications_application_id_idx" ON "machine_applications"("application_id");

-- CreateIndex
CREATE INDEX "operations_machine_id_created_at_idx" ON "operations"("machine_id", "created_at");

-- CreateIndex
CREATE INDEX "operations_department_id_created_at_idx" ON "operations"("department_id", "created_at");

-- CreateIndex
CREATE INDEX "operations_state_created_at_idx" ON "operations"("state", "created_at");

-- CreateIndex
CREATE INDEX "operations_created_at_idx" ON "operations"("created_at");

-- CreateIndex
CREATE INDEX "operations_host_id_idx" ON "operations"("host_id");

-- CreateIndex
CREATE INDEX "events_machine_id_seq_idx" ON "events"("machine_id", "seq");

-- CreateIndex
CREATE INDEX "events_operation_id_seq_idx" ON "events"("operation_id", "seq");

-- CreateIndex
CREATE INDEX "events_owner_id_seq_idx" ON "events"("owner_id", "seq");

-- CreateIndex
CREATE INDEX "audit_entries_at_idx" ON "audit_entries"("at");

-- CreateIndex
CREATE INDEX "audit_entries_actor_id_at_idx" ON "audit_entries"("actor_id", "at");

-- CreateIndex
CREATE INDEX "audit_entries_machine_id_at_idx" ON "audit_entries"("machine_id", "at");

-- CreateIndex
CREATE UNIQUE INDEX "rule_sets_internal_name_key" ON "rule_sets"("internal_name");

-- CreateIndex
CREATE UNIQUE INDEX "rule_sets_department_id_key" ON "rule_sets"("department_id");

-- CreateIndex
CREATE UNIQUE INDEX "rule_sets_machine_id_key" ON "rule_sets"("machine_id");

-- CreateIndex
CREATE INDEX "firewall_rules_rule_set_id_priority_idx" ON "firewall_rules"("rule_set_id", "priority");

-- CreateIndex
CREATE UNIQUE INDEX "isos_filename_key" ON "isos"("filename");

-- CreateIndex
CREATE INDEX "isos_os_idx" ON "isos"("os");

-- CreateIndex
CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys"("created_at");

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "secrets" ADD CONSTRAINT "secrets_machine_id_fkey" FOREIGN KEY ("machine_id") REFERENCES "machines"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machine_templates" ADD CONSTRAINT "machine_templates_category_id_fkey" FOREIGN KEY ("category_id") REFERENCES "machine_template_categories"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machines" ADD CONSTRAINT "machines_host_id_fkey" FOREIGN KEY ("host_id") REFERENCES "hosts"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machines" ADD CONSTRAINT "machines_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machines" ADD CONSTRAINT "machines_template_id_fkey" FOREIGN KEY ("template_id") REFERENCES "machine_templates"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machines" ADD CONSTRAINT "machines_department_id_fkey" FOREIGN KEY ("department_id") REFERENCES "departments"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machine_configurations" ADD CONSTRAINT "machine_configurations_machine_id_fkey" FOREIGN KEY ("machine_id") REFERENCES "machines"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machine_disks" ADD CONSTRAINT "machine_disks_machine_id_fkey" FOREIGN KEY ("machine_id") REFERENCES "machines"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machine_applications" ADD CONSTRAINT "machine_applications_machine_id_fkey" FOREIGN KEY ("machine_id") REFERENCES "machines"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machine_applications" ADD CONSTRAINT "machine_applications_application_id_fkey" FOREIGN KEY ("application_id") REFERENCES "applications"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "operations" ADD CONSTRAINT "operations_host_id_fkey" FOREIGN KEY ("host_id") REFERENCES "hosts"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "rule_sets" ADD CONSTRAINT "rule_sets_department_id_fkey" FOREIGN KEY ("department_id") REFERENCES "departments"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "rule_sets" ADD CONSTRAINT "rule_sets_machine_id_fkey" FOREIGN KEY ("machine_id") REFERENCES "machines"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "firewall_rules" ADD CONSTRAINT "firewall_rules_rule_set_id_fkey" FOREIGN KEY ("rule_set_id") REFERENCES "rule_sets"("id") ON DELETE CASCADE ON UPDATE CASCADE;
