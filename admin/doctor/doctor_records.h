// doctor: what `dns check` found. Pure; any thread.
#pragma once

#include "admin/command.h"
#include "admin/doctor/doctor_finding.h"

namespace mailstead::admin {

// `report`: of check_dns().
void judge_records(const Report& report, DoctorFindings& into);

}  // namespace mailstead::admin
