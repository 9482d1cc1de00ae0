"""Spanish words: names, places, formats of values, and the medical vocabulary of notes and public text."""

from datetime import date
from random import Random

from stages.demo.language import listed

_CHECK_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"

MALE = listed(
    """
    Ángel; León; Domingo; Salvador; Justo; Modesto; Plácido; Severo; Clemente; Bueno; Pío; Amado; Benigno; Cándido;
    Fidel; Máximo; Leal; Jacinto; Narciso; Casto; Prudencio; Inocente; Pascual; Santos
    """
)
FEMALE = listed(
    """
    Rosa; Dolores; Consuelo; Pilar; Luz; Paz; Flor; Sol; Mercedes; Ángeles; Nieves; Esperanza; Soledad; Remedios;
    Rocío; Amparo; Socorro; Salud; Caridad; Margarita; Violeta; Azucena; Estrella; Alma; Victoria; Gracia; Milagros;
    Angustias; Blanca; Clara; Lluvia; Mar; Perla; Jacinta; Hortensia; Begonia; Olvido; Piedad; Concepción;
    Encarnación; Asunción; Virtudes
    """
)
LAST = listed(
    """
    Cruz; Blanco; León; Rubio; Moreno; Delgado; Bravo; Crespo; Guerra; Iglesias; Herrero; Zapatero; Pastor; Cabeza;
    Rojo; Leal; Franco; Marzo; Abril; Domingo; Costa; Cano; Segura; Torres; Reyes; Calle; Vega; Campos; Ríos; Toledo;
    Zamora; Soria; Ávila; Cuenca; Medina; Sevilla; Valencia; Burgos; Huesca; Segovia; Palencia; Carrasco; Bueno; Malo;
    Seco; Gordo; Calvo; Prieto; Barba; Cabello; Pie; Rey; Conde; Marqués; Alcalde; Escribano; Molinero; Sastre;
    Tejedor; Peña; Roca; Monte; Bosque; Prado; Fuente; Río; Puente; Castillo; Plaza; Corral; Casas; Palacios; Naranjo;
    Manzano; Romero; Trigo; Cordero; Lobo; Gallo; Paloma; Pardo; Verde
    """
)

STREET_NAMES = listed(
    """
    Mayor; del Olmo; de los Olivos; del Almendro; de la Ribera; del Mirador; de las Acacias; del Molino Viejo; de la
    Alameda; del Tejo; de la Fragua; de la Noria; del Horno; de la Ermita; de las Eras; del Pozo Dulce; de la Vega
    Baja; de los Tilos; del Romeral; de la Cantera; de los Alfareros; de los Curtidores; de la Lonja; del Faro; de la
    Atalaya; del Encinar; del Sauce; de la Morera; de la Higuera; del Nogal; de los Cerezos; del Laurel; del Arrabal;
    de la Judería; del Matadero; de la Estación; del Ferrocarril; de la Constitución; de la Independencia; de la
    Libertad; de la Paz; de la Concordia; de la Victoria; del Progreso; de la Industria; de la Alhóndiga; del Peso; de
    la Aduana; de los Plateros; de los Tintoreros; de la Seda; del Lino; del Azafrán; de la Sal; del Vidrio; de la
    Marina; del Puerto Chico; del Arenal; de la Playa Honda; de las Dunas; de los Pinos; del Roble; de la Encina; del
    Castaño; del Avellano; del Espino; de la Jara; del Tomillo; del Cantueso; de la Lavanda; de las Amapolas; de los
    Jazmines; de las Camelias; del Geranio; del Clavel; de la Azucena Blanca; del Ruiseñor; de la Golondrina; de la
    Cigüeña; del Vencejo; del Jilguero; de la Alondra; del Halcón; del Lince; del Corzo; de la Nutria; de la Trucha;
    Real; Nueva; Ancha; Larga; Honda; Alta; Baja; Traviesa; Empedrada; Cerrada; del Sol Naciente; de la Luna; de las
    Estrellas; del Norte; del Mediodía; de Poniente; de Levante; del Cierzo; de la Solana; de la Umbría; del Barranco;
    de la Cuesta; del Collado; de la Sierra; del Valle; de la Llanura; del Páramo; de la Dehesa; del Soto
    """
)
HOSPITAL_NAMES = listed(
    """
    San Telmo; Virgen de la Zarza; Virgen de los Álamos; Virgen de las Mieses; Virgen de la Cuesta; Virgen de los
    Prados; Virgen de las Cumbres; Virgen de la Vega; Virgen de los Pinares; Virgen de las Fuentes; Santa Brígida;
    Virgen del Espino; San Froilán; La Alborada; Monte Claro; Valdelagua; Las Torcas; Santa Eulogia; Virgen del
    Páramo; San Marcial; Los Arcos; El Robledal; Costa Serena; Torrealta; Campo Llano; San Baudilio; Santa Quiteria;
    Virgen de la Fuensanta; Ribera Alta; Peñaflor; La Encomienda; San Críspulo; Los Almendros; Fuentenueva; Santa
    Obdulia; Virgen del Collado; Miraflores; El Alcor; San Pelayo; Vallehermoso; Las Lomas; San Zoilo; Santa Casilda;
    Virgen de las Eras; Puerta del Sur; Montealegre; La Ribera; San Millán; Los Cármenes; El Salto; Santa Marina;
    Virgen del Faro; Arroyo Seco; Las Salinas; San Isidoro; Villarreal; La Estrella; Santa Rufina; El Carrascal;
    Virgen de los Vientos; Las Huertas; San Atilano; Río Manso; El Soto; Santa Orosia; Puente Viejo; La Torrecilla;
    San Segundo; Los Olmos; Virgen de la Peña; Cerro Gordo; Santa Tecla; La Cañada; San Gervasio; El Parque; Nueva
    Esperanza; Las Viñas; San Onofre; Santa Leocadia
    """
)
HOSPITALS = (
    "Hospital {name}",
    "Hospital Universitario {name}",
    "Hospital General {name}",
    "Hospital Comarcal {name}",
    "Complejo Hospitalario {name}",
    "H. U. {name}",
    "Clínica {name}",
)
CENTRES = ("Centro de Salud {name}", "CS {name}", "Consultorio {name}", "Residencia {name}", "Ambulatorio {name}")
CITIES = (
    ("Albacete", "02"),
    ("Alcalá de Henares", "28"),
    ("Alcoy", "03"),
    ("Algeciras", "11"),
    ("Almería", "04"),
    ("Antequera", "29"),
    ("Aranda de Duero", "09"),
    ("Ávila", "05"),
    ("Badajoz", "06"),
    ("Barcelona", "08"),
    ("Bilbao", "48"),
    ("Cáceres", "10"),
    ("Calatayud", "50"),
    ("Cartagena", "30"),
    ("Ciudad Real", "13"),
    ("Cuenca", "16"),
    ("Don Benito", "06"),
    ("Elche", "03"),
    ("Gijón", "33"),
    ("Girona", "17"),
    ("Granada", "18"),
    ("Huesca", "22"),
    ("Jaca", "22"),
    ("Jaén", "23"),
    ("León", "24"),
    ("Lleida", "25"),
    ("Logroño", "26"),
    ("Lorca", "30"),
    ("Lugo", "27"),
    ("Madrid", "28"),
    ("Málaga", "29"),
    ("Medina del Campo", "47"),
    ("Mérida", "06"),
    ("Murcia", "30"),
    ("Oviedo", "33"),
    ("Palencia", "34"),
    ("Ponferrada", "24"),
    ("Reus", "43"),
    ("Salamanca", "37"),
    ("Santander", "39"),
    ("Segovia", "40"),
    ("Sevilla", "41"),
    ("Soria", "42"),
    ("Talavera de la Reina", "45"),
    ("Teruel", "44"),
    ("Toledo", "45"),
    ("Tudela", "31"),
    ("Valencia", "46"),
    ("Vigo", "36"),
    ("Zamora", "49"),
    ("Zaragoza", "50"),
)
PROFESSIONS = listed(
    """
    albañil; administrativa; agricultor; alfarero; apicultora; auxiliar de geriatría; bibliotecaria; bombero;
    camarero; carnicero; carpintero; cartera; cerrajero; cocinera; comercial; conductor de autobús; conserje;
    contable; costurera; dependienta; electricista; encofrador; florista; fontanero; fotógrafo; ganadero; guarda
    forestal; herrero; hostelero; informático; ingeniera agrónoma; jardinero; joyero; limpiadora; maestra; maquinista
    de tren; marinero; mecánico; minero; modista; músico; notario; operario de fábrica; panadero; pastor; peluquera;
    periodista; pescador; pintor; profesora de instituto; recepcionista; relojero; repartidor; sastre; soldador;
    taxista; teleoperadora; tornero; transportista; traductora; vendedor ambulante; veterinaria; vigilante de
    seguridad; zapatero
    """
)
KIN = (
    ("hija", True),
    ("hijo", False),
    ("esposa", True),
    ("marido", False),
    ("madre", True),
    ("padre", False),
    ("hermana", True),
    ("hermano", False),
    ("sobrina", True),
    ("nieto", False),
    ("cuñada", True),
    ("pareja", True),
)
MONTHS = tuple("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split())
WEEKDAYS = tuple("lunes martes miércoles jueves viernes sábado domingo".split())
DATES = {
    "full": (
        "{dd}/{mm}/{y}",
        "{dd}/{mm}/{y}",
        "{dd}-{mm}-{y}",
        "{dd}.{mm}.{y}",
        "{d}/{m}/{yy}",
        "{d} de {month} de {y}",
        "{d} de {month} de {y}",
        "{dd}-{mon}-{y}",
        "{y}-{mm}-{dd}",
    ),
    "day": ("{d} de {month}", "{d} de {month}", "{weekday} {d} de {month}", "{dd}/{mm}", "{d}/{m}", "día {d}"),
    "month": ("{month} de {y}", "{month} del {y}", "{mon} {y}", "{mm}/{y}"),
    "year": ("{y}",),
}
AGES = ("{age} años", "{age} años", "{age} años", "{age} a.", "{age}a")
VALUES = {
    "id": "{resident}",
    "record": "[{digits 6}|{digits 7}|{digits 8}|{digits 8}|HC-{digits 6}|20{10-24}/{digits 5}|{digits 5}-{letter}]",
    "insurance": "[{digits 2} {digits 8} {10-99}|{digits 2}/{digits 8}/{10-99}|{digits 12}|{digits 8}|"
    "{letter}{letter}{letter}{letter} {digits 10}]",
    "licence": "[{10-50}/{10-50}/{digits 5}|{digits 9}|{digits 9}|{digits 8}|{digits 5}]",
    "phone": "[6{digits 8}|6{10-99} {10-99} {10-99} {10-99}|9{10-99} {100-999} {100-999}|9{digits 8}|"
    "+34 6{10-99} {100-999} {100-999}|6{10-99}-{100-999}-{100-999}]",
    "street": "[Calle|Calle|C/|C/|Avda.|Avenida|Plaza|Paseo|Ronda|Camino] {name}"
    "[,| n.º|] {1-140}[|, {1-9}.º {letter}| bajo {letter}|, {1-9}º-{1-6}]",
}
DOMAINS = ("correo.example", "buzon.example", "mail.example.org", "salud.example.net", "web.example.com")
ABBREVIATIONS = {
    "paciente": "pte.",
    "tratamiento": "tto.",
    "diagnóstico": "dx.",
    "antecedentes": "antec.",
    "izquierda": "izda.",
    "izquierdo": "izdo.",
    "derecha": "dcha.",
    "derecho": "dcho.",
    "exploración": "expl.",
    "urgencias": "urg.",
    "aproximadamente": "aprox.",
    "comprimido": "comp.",
    "miligramos": "mg",
    "analítica": "AS",
    "habitual": "hab.",
    "consulta": "cta.",
    "enfermedad": "enf.",
    "radiografía": "Rx",
    "ecografía": "eco",
    "inicial": "inic.",
}


def resident_id(rng: Random, born: date) -> str:
    """A DNI or NIE with a wrong check letter, so that it is nobody's."""
    foreign = rng.random() < 0.15
    number = rng.randrange(10**6, 10**7) if foreign else rng.randrange(10**7, 10**8)
    letter = rng.choice(_CHECK_LETTERS.replace(_CHECK_LETTERS[number % 23], ""))
    if foreign:
        return f"X{number}{letter}"
    dotted = f"{number // 10**6}.{number // 1000 % 1000:03}.{number % 1000:03}"
    return rng.choice([f"{number}{letter}", f"{number}{letter}", f"{number}-{letter}", f"{dotted}-{letter}"])


MEDICAL = {
    "disease": listed(
        """
        hipertensión arterial; diabetes mellitus tipo 2; dislipemia; fibrilación auricular; insuficiencia
        cardiaca; asma bronquial; EPOC moderada; artrosis de rodilla; hipotiroidismo; enfermedad de Parkinson;
        enfermedad de Chagas; enfermedad de Crohn; síndrome de Sjögren; tiroiditis de Hashimoto; enfermedad de
        Alzheimer; insuficiencia renal crónica; migraña; úlcera gástrica; hernia de hiato; glaucoma; enfermedad de
        Paget; síndrome de Raynaud; anemia ferropénica; gota; psoriasis
        """
    ),
    "diagnosis": listed(
        """
        neumonía basal [derecha|izquierda]; infección urinaria; cólico renal [derecho|izquierdo]; fractura de
        Colles [derecha|izquierda]; colecistitis aguda; pancreatitis leve; gastroenteritis aguda; insuficiencia
        cardiaca descompensada; crisis asmática; síncope vasovagal; trombosis venosa profunda; celulitis en pierna
        [derecha|izquierda]; vértigo periférico; parálisis de Bell; fibrilación auricular rápida; lumbalgia
        mecánica; apendicitis aguda; diverticulitis no complicada; bronquitis aguda; tendinitis de Aquiles
        """
    ),
    "symptom": listed(
        """
        dolor abdominal; dolor torácico; disnea de esfuerzo; fiebre de hasta 38,{1-9} ºC; tos con expectoración
        blanca; mareo; cefalea; náuseas y vómitos; palpitaciones; dolor lumbar; edema en piernas; pérdida de peso;
        cansancio; orina de color rosa; dolor en rodilla [derecha|izquierda]; estreñimiento; diarrea; escalofríos;
        dificultad para hablar; debilidad en brazo [derecho|izquierdo]
        """
    ),
    "drug": listed(
        """
        paracetamol; ibuprofeno; enalapril; metformina; omeprazol; simvastatina; atorvastatina; furosemida;
        bisoprolol; apixabán; amoxicilina; levofloxacino; salbutamol; prednisona; tramadol; metamizol; Sintrom;
        Adiro; Ventolin; Nolotil; insulina glargina; lorazepam; levotiroxina; Augmentine; digoxina
        """
    ),
    "dose": (
        "{drug} {2-90}0 mg cada {6-12} h",
        "{drug} {1-40} mg/día",
        "{drug} {1-9}00 mg (1-0-1)",
        "{drug} 1 comprimido al día",
    ),
    "department": listed(
        """
        Cardiología; Medicina Interna; Urología; Digestivo; Neumología; Traumatología; Neurología; Hospital de
        Día; Unidad del Dolor; Unidad de Ictus; Centro de Rehabilitación; Cirugía General; Servicio de Urgencias;
        Endocrinología; Radiodiagnóstico
        """
    ),
    "sign": listed(
        """
        signo de Murphy negativo; signo de Blumberg negativo; maniobra de Valsalva sin cambios; maniobra de
        Lasègue negativa; signo de Babinski ausente; prueba de Romberg positiva; signo de Homans dudoso; Glasgow
        15/15; EVA {3-9}/10; agudeza visual 20/{20-60}; índice de Barthel {40-100}/100
        """
    ),
}
