-- What schema.prisma has no words for: checks of values, the order of events, the append-only log.

ALTER TABLE "users"
  ADD CONSTRAINT "users_email_check" CHECK ("email" <> '' AND "email_key" <> '');

ALTER TABLE "secrets"
  ADD CONSTRAINT "secrets_purpose_check" CHECK ("purpose" IN ('installation', 'graphics'));

ALTER TABLE "hosts"
  ADD CONSTRAINT "hosts_name_check" CHECK (char_length(btrim("name")) BETWEEN 1 AND 255);

ALTER TABLE "departments"
  ADD CONSTRAINT "departments_name_check" CHECK (char_length(btrim("name")) BETWEEN 1 AND 100),
  ADD CONSTRAINT "departments_internet_speed_check" CHECK ("internet_speed" > 0);

ALTER TABLE "machine_template_categories"
  ADD CONSTRAINT "machine_template_categories_name_check" CHECK (char_length(btrim("name")) BETWEEN 1 AND 100);

ALTER TABLE "machine_templates"
  ADD CONSTRAINT "machine_templates_name_check" CHECK (char_length(btrim("name")) BETWEEN 1 AND 100),
  ADD CONSTRAINT "machine_templates_cores_check" CHECK ("cores" > 0),
  ADD CONSTRAINT "machine_templates_ram_gb_check" CHECK ("ram_gb" > 0),
  ADD CONSTRAINT "machine_templates_storage_gb_check" CHECK ("storage_gb" > 0);

ALTER TABLE "machines"
  ADD CONSTRAINT "machines_name_check" CHECK (char_length(btrim("name")) BETWEEN 1 AND 100),
  ADD CONSTRAINT "machines_internal_name_check" CHECK ("internal_name" <> ''),
  ADD CONSTRAINT "machines_cpu_cores_check" CHECK ("cpu_cores" > 0),
  ADD CONSTRAINT "machines_ram_gb_check" CHECK ("ram_gb" > 0),
  ADD CONSTRAINT "machines_disk_size_gb_check" CHECK ("disk_size_gb" > 0);

ALTER TABLE "machine_configurations"
  ADD CONSTRAINT "machine_configurations_firmware_check" CHECK ("firmware" IN ('efi', 'efi-secure', 'bios')),
  ADD CONSTRAINT "machine_configurations_domain_type_check" CHECK ("domain_type" IN ('kvm', 'qemu', 'test')),
  ADD CONSTRAINT "machine_configurations_graphic_protocol_check" CHECK ("graphic_protocol" IN ('vnc', 'spice')),
  ADD CONSTRAINT "machine_configurations_mac_address_check" CHECK ("mac_address" ~ '^([0-9a-f]{2}:){5}[0-9a-f]{2}$'),
  ADD CONSTRAINT "machine_configurations_graphic_port_check" CHECK ("graphic_port" BETWEEN 1 AND 65535);

ALTER TABLE "machine_disks"
  ADD CONSTRAINT "machine_disks_position_check" CHECK ("position" >= 0),
  ADD CONSTRAINT "machine_disks_volume_name_check" CHECK ("volume_name" <> ''),
  ADD CONSTRAINT "machine_disks_size_gb_check" CHECK ("size_gb" > 0);

ALTER TABLE "applications"
  ADD CONSTRAINT "applications_name_check" CHECK (char_length(btrim("name")) BETWEEN 1 AND 100);

ALTER TABLE "operations"
  ADD CONSTRAINT "operations_steps_check" CHECK ("steps" >= 0),
  ADD CONSTRAINT "operations_step_number_check" CHECK ("step_number" BETWEEN 0 AND "steps"),
  ADD CONSTRAINT "operations_percent_check" CHECK ("percent" BETWEEN 0 AND 100);

-- A rule set belongs to exactly the one thing that its type says.
ALTER TABLE "rule_sets"
  ADD CONSTRAINT "rule_sets_internal_name_check" CHECK ("internal_name" <> ''),
  ADD CONSTRAINT "rule_sets_entity_check" CHECK (
    ("department_id" IS NOT NULL) = ("entity_type" = 'DEPARTMENT') AND ("machine_id" IS NOT NULL) = ("entity_type" = 'VM')
  ),
  ADD CONSTRAINT "rule_sets_priority_check" CHECK ("priority" BETWEEN -1000 AND 1000);

-- libvirt's nwfilter takes priorities from -1000 to 1000; a range's end never stands alone.
ALTER TABLE "firewall_rules"
  ADD CONSTRAINT "firewall_rules_name_check" CHECK (char_length(btrim("name")) BETWEEN 1 AND 100),
  ADD CONSTRAINT "firewall_rules_priority_check" CHECK ("priority" BETWEEN -1000 AND 1000),
  ADD CONSTRAINT "firewall_rules_src_port_check" CHECK (
    "src_port_start" BETWEEN 0 AND 65535
    AND ("src_port_end" IS NULL OR "src_port_start" IS NOT NULL AND "src_port_end" BETWEEN "src_port_start" AND 65535)
  ),
  ADD CONSTRAINT "firewall_rules_dst_port_check" CHECK (
    "dst_port_start" BETWEEN 0 AND 65535
    AND ("dst_port_end" IS NULL OR "dst_port_start" IS NOT NULL AND "dst_port_end" BETWEEN "dst_port_start" AND 65535)
  );

ALTER TABLE "isos"
  ADD CONSTRAINT "isos_filename_check" CHECK ("filename" <> '' AND strpos("filename", '/') = 0),
  ADD CONSTRAINT "isos_size_bytes_check" CHECK ("size_bytes" >= 0),
  ADD CONSTRAINT "isos_sha256_check" CHECK ("sha256" ~ '^[0-9a-f]{64}$');

ALTER TABLE "idempotency_keys"
  ADD CONSTRAINT "idempotency_keys_key_check" CHECK (char_length("key") BETWEEN 1 AND 255);

-- Readers go on from the highest seq they saw, so a lower one must never become visible later. A sequence alone does
-- not promise that: the lock lets one transaction at a time number its events and is held until it has committed.
-- Whoever writes an event therefore does it last in the transaction.
CREATE FUNCTION "number_event"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7270736901);
  NEW."seq" := nextval('events_seq_seq');
  RETURN NEW;
END;
$$;

CREATE FUNCTION "announce_event"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('infinibay_events', NEW."seq"::text);
  RETURN NULL;
END;
$$;

CREATE FUNCTION "refuse_event_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'restrict_violation';
END;
$$;

CREATE TRIGGER "events_number" BEFORE INSERT ON "events" FOR EACH ROW EXECUTE FUNCTION "number_event"();
CREATE TRIGGER "events_announce" AFTER INSERT ON "events" FOR EACH ROW EXECUTE FUNCTION "announce_event"();
-- Old events may be deleted (retention); none is ever changed.
CREATE TRIGGER "events_append_only" BEFORE UPDATE ON "events" FOR EACH ROW EXECUTE FUNCTION "refuse_event_change"();
