//! The variables of the environment that are options.

use clap::CommandFactory;

use crate::settings::CommandLine;

const PREFIX: &str = "RATELOG_DASHBOARD_";

/// The variables among `names` that look like options and are none. Kubernetes sets some for a service that is called
/// `ratelog-dashboard`: they are left out.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let command = CommandLine::command();
    let known: Vec<_> = command.get_arguments().filter_map(|option| option.get_env()).collect();
    let is_unknown = |name: &String| {
        name.strip_prefix(PREFIX).is_some_and(|end| {
            !known.iter().any(|known| *known == &**name)
                && !["PORT", "SERVICE_"].iter().any(|start| end.starts_with(start))
        })
    };
    names.into_iter().filter(is_unknown).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{PREFIX, unknown_variables};
    use crate::settings::CommandLine;

    #[test]
    fn each_option_has_the_variable_of_its_name() {
        let command = CommandLine::command();
        let options = command.get_arguments().filter(|option| !option.is_hide_set());
        let mut count = 0;
        for option in options {
            let name = option.get_long().expect("options have long names");
            let variable = format!("{PREFIX}{}", name.replace('-', "_").to_ascii_uppercase());
            assert_eq!(option.get_env().and_then(|name| name.to_str()), Some(&*variable));
            count += 1;
        }
        assert!(count > 20, "{count}");
    }

    #[test]
    fn variables_that_no_option_has_are_found() {
        let names = [
            "PATH",
            "RATELOG_DASHBOARD",
            "RATELOG_DASHBOARD_URL",
            "RATELOG_DASHBOARD_OPERATORS",
            "RATELOG_DASHBOARD_PORT_8080_TCP",
            "RATELOG_DASHBOARD_SERVICE_HOST",
        ];
        let found = unknown_variables(names.map(str::to_owned));
        assert_eq!(found, ["RATELOG_DASHBOARD_OPERATORS"]);
    }
}
